"""Genres played by a band: blues, country, funk, metal, reggae, rock."""

from musicldm.corpus.styles.style import Sound, Style, Swing

BLUES = Style(
    name="blues",
    tempo=(70, 116),
    compound_tempo=(52, 74),
    meters={"4/4": 0.7, "6/8": 0.3},
    modes={"mixolydian": 0.65, "minor": 0.35},
    progressions={
        "mixolydian": ("I7 IV7 I7 I7", "IV7 IV7 I7 I7", "V7 IV7 I7 V7", "I7 I7 IV7 I7", "I7 IV7 I7 V7"),
        "minor": ("i7 iv7 i7 i7", "iv7 iv7 i7 i7", "bVI7 V7 i7 V7", "i7 i7 iv7 i7"),
    },
    moods={"sad": 0.34, "calm": 0.14, "dark": 0.16, "happy": 0.16, "playful": 0.14, "tense": 0.06},
    leads={"overdriven guitar": 0.36, "harmonica": 0.3, "tenor sax": 0.12, "acoustic piano": 0.12, "clean guitar": 0.1},
    basses={"electric bass": 0.7, "upright bass": 0.3},
    keys={"acoustic piano": 0.5, "clean guitar": 0.5},
    counters={"brass section": 1.0},
    kits={"acoustic drum kit": 0.4, "room drum kit": 0.6},
    presence={"drums": 0.87, "counter": 0.12, "bass": 1.0, "chords": 1.0},
    drums={
        "4/4": (
            "k x.......x.......|s ....X.......X...|d x...x.x.x...x.x.",
            "k x.....x.x.....x.|s ....X.......X...|h x.x.x.x.x.x.x.x.",
            "k x.......x.x.....|s ....X.......X.o.|h x.x.x.x.x.x.x.x.",
        ),
        "6/8": (
            "k x.........x.|s ......X.....|h x.x.x.x.x.x.",
            "k x.....o...x.|s ......X.....|d x.x.x.x.x.x.",
        ),
    },
    bass={
        "4/4": ("R-R-3-3-5-5-7-5-", "R-R-5-5-7-7-5-5-", "R---3---5---a---", "R-R-8-8-7-7-5-5-"),
        "6/8": ("R---5-8---5-", "R-----5---a-", "R---R-3---5-"),
    },
    comping={
        "4/4": ("x---..x-....x-..", "..x-..x-..x-..x-", "x-x-x-x-x-x-x-x-", "....x-......x-u-"),
        "6/8": ("x-x-x-x-x-x-", "....x-....x-", "1-2-3-4-3-2-"),
    },
    melody_scale={"mixolydian": "major blues", "minor": "minor blues"},
    feels={"blues": 0.7, "song": 0.3},
    ornament=0.3,
    bend=0.4,
    fills=("toms", "snare"),
    swing=Swing(8, 0.62, 0.68),
    human=8.0,
    sound=Sound(room=(0.3, 0.8), wet=0.14),
)

COUNTRY = Style(
    name="country",
    tempo=(92, 132),
    meters={"4/4": 0.75, "3/4": 0.25},
    modes={"major": 0.85, "mixolydian": 0.15},
    progressions={
        "major": ("I I IV V", "I V I I", "I IV V I", "I vi IV V", "IV I V I"),
        "mixolydian": ("I bVII IV I", "I I bVII IV"),
    },
    moods={"happy": 0.4, "playful": 0.22, "calm": 0.18, "sad": 0.2},
    leads={
        "fiddle": 0.3,
        "banjo": 0.24,
        "harmonica": 0.14,
        "steel guitar": 0.16,
        "honky-tonk piano": 0.16,
    },
    basses={"upright bass": 0.5, "electric bass": 0.5},
    keys={"steel guitar": 0.65, "banjo": 0.35},
    counters={"fiddle": 0.4, "harmonica": 0.3, "steel guitar": 0.3},
    kits={"acoustic drum kit": 0.6, "brush drum kit": 0.4},
    presence={"drums": 0.86, "counter": 0.15, "bass": 1.0, "chords": 1.0},
    drums={
        "4/4": (
            "k x.......x.......|s ....x..o....x..o|h x.x.x.x.x.x.x.x.",
            "k x.......x.......|s o.ooX.ooo.ooX.oo",
            "k x.......x.x.....|r ....x.......x...|h x.x.x.x.x.x.x.x.|m ....x.......x...",
        ),
        "3/4": ("k x...........|r ....x...x...|h x.x.x.x.x.x.", "k x...........|s ....x...x...|h x...x...x..."),
    },
    bass={
        "4/4": ("R---....L---....", "R---....5---....", "R---5---R---a---"),
        "3/4": ("R-------....", "R-------a---", "L-------...."),
    },
    comping={
        "4/4": ("1...x.u.3...x.u.", "....x-......x-u.", "1...x-u-3-u-x-u-", "1-3-4-2-1-3-4-2-"),
        "3/4": ("....x---x---", "1...x.u.x.u.", "1-3-4-3-4-3-"),
    },
    melody_scale={"major": "major pentatonic", "mixolydian": "major blues"},
    feels={"song": 0.5, "busy": 0.5},
    ornament=0.25,
    bend=0.12,
    harmony=0.2,
    fills=("snare", "snare roll"),
    human=6.0,
    sound=Sound(tilt=2.0, room=(0.3, 0.7), wet=0.12),
)

FUNK = Style(
    name="funk",
    tempo=(96, 118),
    modes={"dorian": 0.7, "mixolydian": 0.3},
    progressions={
        "dorian": ("i9 i9 IV9 i9", "i9 IV9 i9 IV9", "i7 i7 i7 i7", "i9 bIII9 IV9 i9"),
        "mixolydian": ("I9 I9 IV9 I9", "I9 bVII9 IV9 I9", "I9 I9 I9 I9"),
    },
    moods={"happy": 0.35, "playful": 0.4, "tense": 0.15, "epic": 0.1},
    leads={
        "brass section": 0.28,
        "alto sax": 0.18,
        "electric piano": 0.1,
        "trumpet": 0.16,
        "hammond organ": 0.14,
        "overdriven guitar": 0.14,
    },
    basses={"slap bass": 0.7, "electric bass": 0.3},
    keys={"clavinet": 0.4, "clean guitar": 0.35, "electric piano": 0.25},
    counters={"brass section": 0.7, "muted guitar": 0.3},
    kits={"acoustic drum kit": 0.6, "room drum kit": 0.4},
    presence={"drums": 0.92, "counter": 0.3, "bass": 1.0, "chords": 1.0},
    drums={
        "4/4": (
            "k X.x.......x..x..|s ....X..o.o..X..o|h xxxxxxxxxxxxxxxx",
            "k X..x..x...x.....|s ....X..o.oo.X..o|h x.xxx.xxx.xxx.xx",
            "k X.......x.x..x..|s ....X..o....X.o.|h x.x.x.x.x.x.x...|o ..............x.",
            "k X..o..x.o.x.....|s ....X.oo.o..X..o|h xoxoxoxoxoxoxoxo|w x...x...x...x...",
        )
    },
    bass={
        "4/4": (
            "R..R..8.R..7.8..",
            "R-..R.8...75.7.8",
            "R.R...78..R.3.5.",
            "R..8..R.7.8...a.",
            "R...R.8.R..R.5.7",
        )
    },
    comping={
        "4/4": ("..x...u..x....x.", "x..x..x...u.x...", "..xu..xu..xu..xu", "....x..u....x..u", "xuxuuxuuxuxuuxuu")
    },
    melody_scale={"dorian": "minor blues", "mixolydian": "major blues"},
    feels={"stab": 0.75, "busy": 0.25},
    ornament=0.1,
    bend=0.12,
    harmony=0.1,
    energy_bias=0.2,
    fills=("snare", "ghosts"),
    swing=Swing(16, 0.5, 0.56),
    human=4.0,
    sound=Sound(tilt=1.0, room=(0.2, 0.5), wet=0.07, levels={"bass": 3.0, "chords": 1.0}),
)

METAL = Style(
    name="metal",
    tempo=(140, 196),
    meters={"4/4": 0.9, "6/8": 0.1},
    compound_tempo=(88, 124),
    modes={"minor": 0.5, "phrygian": 0.5},
    progressions={
        "minor": ("i5 bVI5 bVII5 i5", "i5 i5 bVI5 V5", "i5 bIII5 bVI5 bVII5", "i5 i5 bVII5 bVI5"),
        "phrygian": ("i5 bII5 i5 bII5", "i5 i5 bII5 bIII5", "i5 bII5 bVII5 i5", "i5 bVI5 bII5 i5"),
    },
    moods={"tense": 0.36, "dark": 0.38, "epic": 0.26},
    leads={"distorted guitar": 0.86, "choir": 0.07, "string section": 0.07},
    basses={"picked bass": 1.0},
    keys={"distorted guitar": 1.0},
    pads={"choir": 0.6, "string section": 0.4},
    kits={"power drum kit": 1.0},
    presence={"drums": 0.92, "pad": 0.1, "lead": 0.8, "bass": 1.0, "chords": 1.0},
    chord_bars=(1.0, 2.0),
    drums={
        "4/4": (
            "k xxxxxxxxxxxxxxxx|s ....X.......X...|d x...x...x...x...",
            "k x.xxx.xxx.xxx.xx|s ....X.......X...|y x.......x.......|h ..x...x...x...x.",
            "k xx.xx.xxx.xx.xx.|s ....X.......X...|y x...x...x...x...",
            "k x.x.x.x.x.x.x.x.|s .x.x.x.x.x.x.x.x|d x.x.x.x.x.x.x.x.",
            "k x.xx..x.x.xx..x.|s ........X.......|y x...x...x...x...",
        ),
        "6/8": ("k xxxxxxxxxxxx|s ......X.....|y x.....x.....", "k x.xx.xx.xx.x|s ......X.....|d x.x.x.x.x.x."),
    },
    bass={"4/4": ("RRRRRRRRRRRRRRRR", "R.RRR.RRR.RRR.RR", "RR.RR.RRR.RR.RR."), "6/8": ("RRRRRRRRRRRR", "R.RR.RR.RR.R")},
    comping={
        "4/4": ("x.uuu.uux.uuu.uu", "xx.xx.xxx.xx.xx.", "x---------------", "x.x.uuuux.x.uuuu", "uuuuuuuuuuuux-x-"),
        "6/8": ("x.uu.ux.uu.u", "uuuuuuuuuuuu", "x-----x-----"),
    },
    voicing="power",
    bend=0.2,
    harmony=0.3,
    energy_bias=0.6,
    feels={"riff": 0.5, "busy": 0.5},
    fills=("toms", "snare roll"),
    human=2.5,
    sound=Sound(tilt=2.0, room=(0.3, 0.7), wet=0.08, levels={"chords": 6.5, "drums": 1.5}),
)

REGGAE = Style(
    name="reggae",
    tempo=(66, 88),
    modes={"major": 0.5, "minor": 0.3, "mixolydian": 0.2},
    progressions={
        "major": ("I V vi IV", "I IV I V", "I ii I ii", "I IV V IV"),
        "minor": ("i iv i v", "i bVII i bVII", "i bVI bVII i"),
        "mixolydian": ("I bVII IV I", "I bVII I bVII"),
    },
    moods={"happy": 0.34, "calm": 0.3, "playful": 0.18, "sad": 0.1, "dark": 0.08},
    leads={
        "trombone": 0.22,
        "hammond organ": 0.2,
        "steel drums": 0.14,
        "trumpet": 0.14,
        "clean guitar": 0.14,
        "harmonica": 0.08,
        "alto sax": 0.08,
    },
    basses={"electric bass": 0.8, "fretless bass": 0.2},
    keys={"clean guitar": 0.6, "hammond organ": 0.4},
    counters={"hammond organ": 0.7, "brass section": 0.3},
    kits={"acoustic drum kit": 0.5, "room drum kit": 0.5},
    presence={"drums": 0.9, "counter": 0.2, "bass": 1.0, "chords": 1.0},
    chord_bars=(1.0, 0.5),
    drums={
        "4/4": (
            "k ........X.......|r ........X.......|h x.o.x.o.x.o.x.o.",
            "k ........X.......|s ........x.......|h x.xox.xox.xox.xo",
            "k x...x...x...x...|r ....o...X.....o.|h x.x.x.x.x.x.x.x.",
            "k x.......X.......|r ...x..x.X..x..x.|h x.x.x.x.x.x.x.x.",
        )
    },
    bass={"4/4": ("R--R--5-8-......", "....R-R-5-3-R-..", "R---..5-R-..3-5-", "R-R-..3-5---..a-", "..R-5-8---5-R-..")},
    comping={
        "4/4": ("....x.......x...", "..x...x...x...x.", "....xu......xu..", "..xu..xu..xu..xu"),
    },
    melody_scale={"major": "major pentatonic", "minor": "minor pentatonic", "mixolydian": "major pentatonic"},
    feels={"sparse": 0.4, "song": 0.6},
    ornament=0.1,
    bend=0.1,
    harmony=0.2,
    fills=("toms", "snare"),
    swing=Swing(16, 0.54, 0.62),
    human=6.0,
    sound=Sound(
        tilt=-2.0,
        room=(0.7, 1.6),
        wet=0.2,
        levels={"bass": 4.0, "chords": 3.0},
        echo=0.35,
        echo_steps=6,
        echoed=("lead", "chords"),
    ),
)

ROCK = Style(
    name="rock",
    tempo=(108, 146),
    meters={"4/4": 0.92, "6/8": 0.08},
    compound_tempo=(60, 84),
    modes={"major": 0.4, "minor": 0.35, "mixolydian": 0.25},
    progressions={
        "major": ("I V vi IV", "I IV V IV", "vi IV I V", "I iii IV V"),
        "minor": ("i bVII bVI bVII", "i bVI bIII bVII", "i bIII bVII iv"),
        "mixolydian": ("I bVII IV I", "I IV bVII IV"),
    },
    moods={"happy": 0.25, "epic": 0.28, "tense": 0.2, "sad": 0.1, "dark": 0.1, "playful": 0.07},
    leads={
        "overdriven guitar": 0.5,
        "rock organ": 0.15,
        "acoustic piano": 0.1,
        "clean guitar": 0.15,
        "distorted guitar": 0.1,
    },
    basses={"picked bass": 0.6, "electric bass": 0.4},
    keys={"overdriven guitar": 0.7, "clean guitar": 0.3},
    pads={"rock organ": 0.7, "string section": 0.3},
    kits={"room drum kit": 0.5, "power drum kit": 0.25, "acoustic drum kit": 0.25},
    presence={"drums": 0.91, "pad": 0.2, "bass": 1.0, "chords": 1.0},
    drums={
        "4/4": (
            "k x.......x.x.....|s ....X.......X...|h x.x.x.x.x.x.x.x.",
            "k x.....x.x.......|s ....X.......X...|h x.x.x.x.x.x.x.x.",
            "k x..x..x.x..x....|s ....X.......X...|d x.x.x.x.x.x.x.x.",
            "k x.x.....x.x...x.|s ....X.......X...|o x...x...x...x...",
            "k x.......x.......|s ....X..o....X...|y x...x...x...x...",
        ),
        "6/8": ("k x...x...x.x.|s ......X.....|h x.x.x.x.x.x.", "k x...x.......|s ......X.....|d x.x.x.x.x.x."),
    },
    bass={
        "4/4": ("R-R-R-R-R-R-R-R-", "R---R-R-R---R-5-", "R-R-R-R-R-R-5-a-", "R--R--R-R--R--5-"),
        "6/8": ("R-R-R-R-R-R-", "R-----R---5-"),
    },
    comping={
        "4/4": ("x-------x-x-----", "x-u-u-u-x-u-u-u-", "x--x--x-x--x--x-", "x---------------", "x-x-..x-x-x-..x-"),
        "6/8": ("x-----x---x-", "1-3-4-5-4-3-", "x-----------"),
    },
    voicing="power",
    melody_scale={"major": "major pentatonic", "minor": "minor pentatonic", "mixolydian": "major blues"},
    feels={"song": 0.7, "riff": 0.3},
    ornament=0.15,
    bend=0.25,
    harmony=0.2,
    energy_bias=0.3,
    fills=("toms", "snare", "snare roll"),
    human=5.0,
    sound=Sound(tilt=1.0, room=(0.4, 1.0), wet=0.12, levels={"chords": 3.5}),
)

BAND = (BLUES, COUNTRY, FUNK, METAL, REGGAE, ROCK)
