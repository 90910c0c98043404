"""Afrobeat, East Asian, Indian and Middle Eastern colours."""

from musicldm.corpus.styles.style import Sound, Style

AFROBEAT = Style(
    name="afrobeat",
    tempo=(100, 122),
    compound_tempo=(92, 116),
    meters={"4/4": 0.85, "12/8": 0.15},
    modes={"dorian": 0.75, "minor": 0.25},
    progressions={
        "dorian": ("i7 i7 i7 i7", "i7 i7 IV7 IV7", "i7 IV7 i7 IV7", "i7 bVII i7 bVII"),
        "minor": ("i7 i7 i7 i7", "i7 i7 bVII bVII", "i7 iv7 i7 iv7"),
    },
    moods={"happy": 0.34, "playful": 0.26, "tense": 0.2, "epic": 0.2},
    leads={"tenor sax": 0.28, "trumpet": 0.2, "brass section": 0.2, "baritone sax": 0.12, "combo organ": 0.2},
    basses={"electric bass": 1.0},
    keys={"clean guitar": 0.6, "reed electric piano": 0.2, "combo organ": 0.2},
    counters={"muted guitar": 0.7, "clean guitar": 0.3},
    kits={"acoustic drum kit": 0.6, "room drum kit": 0.4},
    presence={"drums": 0.96, "counter": 0.85, "bass": 1.0, "chords": 1.0},
    chord_bars=(1.0, 2.0),
    forms=("AAAB", "AB"),
    drums={
        "4/4": (
            "k x..x..x...x..x..|s ....o..x....x..o|h x.xxx.xxx.xxx.xx|E xoxoxoxoxoxoxoxo|C ..x...xx..x...xx",
            "k x..x....x.x.....|s ...xo..xo..x..xo|o ..x.......x.....|h xx.xxx.xxx.xxx.x|v x..x..x...x.x...",
            "k X..x..x.X..x..x.|r ...x..x....x..x.|E XoxoXoxoXoxoXoxo|C x..x.xx.x..x.xx.|G ..x.....x.......",
            "k x..x..xx..x..x..|s ......ox..o.x.o.|d x.x.xx.x.xx.x.xx|w x..x..x...x.x...|E xoxoxoxoxoxoxoxo",
        ),
        "12/8": (
            "A x...x...xx..x...x...x.x.|E x.o.x.o.x.o.x.o.x.o.x.o.|k x.....x.....x.....x....."
            "|C ..x.xx..x.xx..x.xx..x.xx",
            "A x...x.x...x...x...x...x.|k x.........x.x.........x.|s ......x...........x...o."
            "|E x.o.x.o.x.o.x.o.x.o.x.o.",
        ),
    },
    bass={
        "4/4": ("R..R..5.R..7.R..", "R-..R.7.8..7.5..", "R..R.R..7.8...5.", "..R.R..5..7.8..."),
        "12/8": ("R---R-5---R-R---R-7---5-", "R-....R-8---R-....5-7---"),
    },
    comping={
        "4/4": ("..x...xx..x...xx", ".x.x..x..x.x..x.", "..xu..xu..xu..xu", "x..x..x...x.x..."),
        "12/8": ("....x-....x-....x-....x-", "..x.x...x.x...x.x...x.x."),
    },
    lines={
        "4/4": ("1.3.2.3.1.32.3..", "1.12.1.31.12.1.3", "3.2.1.2.3.21.2..", "1.2.3.4.3.2.1.2."),
        "12/8": ("1.2.3.2.3.4.1.2.3.2.1.2.", "3.2.1.3.2.1.3.2.1.2.1.2."),
    },
    melody_scale={"dorian": "minor pentatonic", "minor": "minor pentatonic"},
    feels={"vamp": 1.0},
    bend=0.08,
    fills=("none", "ghosts"),
    energy_bias=0.2,
    human=6.0,
    sound=Sound(room=(0.3, 0.8), wet=0.1, levels={"counter": 8.0, "drums": 3.0, "bass": 3.0}, tape=0.2),
)

EAST_ASIAN = Style(
    name="east asian",
    forms=("AABA", "AB"),
    section_bars=4,
    tempo=(60, 104),
    meters={"4/4": 0.88, "3/4": 0.12},
    modes={"major pentatonic": 0.45, "minor pentatonic": 0.25, "hirajoshi": 0.3},
    progressions={
        "major pentatonic": ("I5 I5 vi5 V5", "Isus2 Isus2 V5 I5", "I5 ii5 V5 I5", "vi5 V5 I5 I5"),
        "minor pentatonic": ("i5 i5 bVII5 i5", "i5 bIII5 bVII5 i5", "i5 iv5 i5 bVII5"),
        "hirajoshi": ("i5 i5 i5 i5", "i5 i5 bVI5 i5", "isus2 isus2 i5 i5"),
    },
    moods={"calm": 0.34, "dreamy": 0.26, "sad": 0.18, "epic": 0.12, "tense": 0.1},
    leads={
        "koto": 0.2,
        "shakuhachi": 0.18,
        "shamisen": 0.16,
        "hammered dulcimer": 0.14,
        "erhu": 0.16,
        "pipa": 0.14,
    },
    basses={"cello": 0.6, "upright bass": 0.4},
    keys={"koto": 0.5, "hammered dulcimer": 0.2, "pipa": 0.3},
    pads={"slow strings": 0.5, "voice oohs": 0.5},
    counters={"shakuhachi": 0.4, "koto": 0.6},
    kits={"taiko drums": 1.0},
    presence={"drums": 0.4, "pad": 0.12, "bass": 0.2, "counter": 0.25, "chords": 0.95, "lead": 0.96},
    chord_bars=(1.0, 2.0),
    drums={
        "4/4": (
            "k X...........x...|1 ......x.x.......|W ........x.....x.",
            "3 X.....x...x.x...|r ....x.......x.x.|y X...............",
            "k X.......X.......|s ..x.x.xx..x.x.xx|2 ....x.......x...",
            "W x...............|V ........x.......|k x.........x.....",
        ),
        "3/4": ("k X.......x...|W ....x...x...", "3 X...x.x.....|r ........x.x."),
    },
    bass={"4/4": ("R---------------", "R-------5-------"), "3/4": ("R-----------",)},
    comping={
        "4/4": ("1-2-3-4-5-------", "1---3---2---....", "x-------..4-3-2-", "5-4-3-2-1-------", "1-..2-..3-..2-.."),
        "3/4": ("1-2-3-4-....", "1---3---2---", "x-------3-2-"),
    },
    voicing="open",
    feels={"pentatonic": 0.75, "sparse": 0.25},
    ornament=0.5,
    bend=0.35,
    tremolo=0.45,
    energy_bias=-0.3,
    fills=("none",),
    human=12.0,
    sound=Sound(room=(1.2, 2.2), wet=0.26, space="hall", levels={"chords": 2.0}),
)

INDIAN = Style(
    name="indian",
    tempo=(66, 116),
    meters={"4/4": 0.72, "7/8": 0.16, "5/4": 0.12},
    modes={"mixolydian": 0.25, "double harmonic": 0.25, "lydian": 0.2, "dorian": 0.15, "phrygian": 0.15},
    progressions={
        "mixolydian": ("I5",),
        "double harmonic": ("I5",),
        "lydian": ("I5",),
        "dorian": ("i5",),
        "phrygian": ("i5",),
    },
    moods={"calm": 0.28, "dreamy": 0.26, "tense": 0.16, "happy": 0.16, "epic": 0.14},
    leads={"sitar": 0.46, "flute": 0.2, "shehnai": 0.14, "harmonium": 0.12, "violin": 0.08},
    basses={"sub bass": 1.0},
    keys={"sitar": 0.5, "harmonium": 0.5},
    pads={"drone pad": 0.75, "harmonium": 0.25},
    kits={"tabla": 1.0},
    presence={"drums": 0.93, "pad": 1.0, "bass": 0.0, "chords": 0.25, "lead": 0.96},
    drone=True,
    forms=("AAB", "AB"),
    drums={
        "4/4": (
            "s x...x...x...x...|k X...x...o...x...|r ..x...x...x...x.|m x...............",
            "k X.....x.....X...|s ..x.x...x.x.x.x.|r ...x...x.x.x...x",
            "k X...x.......x...|s x.xxx.x.x.xxx.x.|r ..x...xx..x...xx|m x.......x.......",
        ),
        "7/8": (
            "s x...x.x.......|k ......X...X...|r ..x.....x...x.",
            "s x.x.x.x.x.x.x.|k X.......X.....|r ...x...x...x.x",
        ),
        "5/4": (
            "k X.......X.......X...|s x...x...x.x.x...x...|r ..x...x...x...x...x.",
            "k X...........X.......|s ..x.x.x.x.x...x.x.x.|m x...................",
        ),
    },
    bass={"4/4": ("R---------------",), "7/8": ("R-------------",), "5/4": ("R-------------------",)},
    comping={
        "4/4": ("1-2-3-2-1-2-3-2-", "1---2---3-------", "x---------------"),
        "7/8": ("1-2-3-2-1-2-3-", "x-------------"),
        "5/4": ("1-2-3-2-1-2-3-2-1-2-", "x-------------------"),
    },
    feels={"raga": 1.0},
    ornament=0.7,
    bend=0.55,
    tremolo=0.15,
    fills=("none",),
    human=10.0,
    sound=Sound(room=(0.8, 1.6), wet=0.18, levels={"pad": 8.0, "drums": 2.0}),
)

MIDDLE_EASTERN = Style(
    name="middle eastern",
    forms=("AABB",),
    tempo=(88, 132),
    meters={"4/4": 0.84, "7/8": 0.16},
    modes={"phrygian dominant": 0.5, "double harmonic": 0.25, "harmonic minor": 0.25},
    progressions={
        "phrygian dominant": ("I I bII I", "I5 I5 I5 I5", "I bII bvii I", "iv bII I I"),
        "double harmonic": ("I5 I5 I5 I5", "I bII I bII"),
        "harmonic minor": ("i i iv i", "i V7 i V7", "i5 i5 i5 i5"),
    },
    moods={"tense": 0.24, "dark": 0.22, "playful": 0.2, "epic": 0.2, "dreamy": 0.14},
    leads={
        "oud": 0.3,
        "violin": 0.2,
        "shehnai": 0.14,
        "clarinet": 0.2,
        "flute": 0.1,
        "accordion": 0.08,
    },
    basses={"fretless bass": 0.5, "cello": 0.5},
    keys={"oud": 0.6, "hammered dulcimer": 0.4},
    pads={"string section": 0.5, "drone pad": 0.5},
    counters={"string section": 1.0},
    kits={"hand drums": 1.0},
    presence={"drums": 0.93, "pad": 0.35, "bass": 0.5, "chords": 0.55, "counter": 0.3, "lead": 0.96},
    drums={
        "4/4": (
            "k X.......X.......|s ..x...x.....x...|m x.x.x.x.x.x.x.x.",
            "k X...X...X.......|s ......x.....x.xx|m xoxxxoxxxoxxxoxx",
            "k X.....X.........|s ..xx....x.x.xx..|m x...x...x...x...",
            "k X...X.....X.....|s ..x...xx..x.x.xx|E xoxoxoxoxoxoxoxo",
        ),
        "7/8": (
            "k X.......X.....|s ....x.....x.x.|m x.x.x.x.x.x.x.",
            "k X...X.........|s ..x...x.x.x.xx|m x...x...x.....",
        ),
    },
    bass={
        "4/4": ("R-----R-R-------", "R---..R-..R-5---", "R-------R---8---"),
        "7/8": ("R---R---R-----", "R-------5-----"),
    },
    comping={
        "4/4": ("1.11.11.1.11.1.1", "x-..x-x-..x-x-..", "1-2-3-2-1-3-2-1-"),
        "7/8": ("1-1-1-1-1-1-1-", "x---x---x-----"),
    },
    lines={
        "4/4": ("1-------........", "....3-2-1-......", "........1-2-3-2-"),
        "7/8": ("1-------......", "....3-2-1-...."),
    },
    feels={"raga": 0.5, "vamp": 0.2, "busy": 0.3},
    ornament=0.6,
    bend=0.2,
    trill=0.35,
    tremolo=0.5,
    fills=("none",),
    human=7.0,
    sound=Sound(tilt=1.0, room=(0.7, 1.5), wet=0.16, levels={"drums": 3.0, "counter": 3.0}),
)

WORLD = (AFROBEAT, EAST_ASIAN, INDIAN, MIDDLE_EASTERN)
