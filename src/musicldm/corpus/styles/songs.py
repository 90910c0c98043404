"""Disco, gospel, pop, R&B, soul, swing."""

from musicldm.corpus.styles.style import Sound, Style, Swing

DISCO = Style(
    name="disco",
    tempo=(112, 128),
    modes={"minor": 0.4, "dorian": 0.3, "major": 0.3},
    progressions={
        "minor": ("i7 iv7 bVII bIIImaj7", "i7 i7 iv7 V7", "i7 bVImaj7 bVII v7"),
        "dorian": ("i7 IV7 i7 IV7", "i9 i9 IV9 IV9"),
        "major": ("Imaj7 vi7 ii7 V7", "vi7 ii7 V7 Imaj7", "IVmaj7 V iii7 vi7"),
    },
    moods={"happy": 0.55, "playful": 0.3, "epic": 0.15},
    leads={
        "string section": 0.34,
        "brass section": 0.2,
        "string machine": 0.14,
        "alto sax": 0.12,
        "flute": 0.1,
        "clavinet": 0.1,
    },
    basses={"electric bass": 0.8, "slap bass": 0.2},
    keys={"clean guitar": 0.65, "electric piano": 0.2, "clavinet": 0.15},
    pads={"string machine": 1.0},
    counters={"string section": 0.6, "brass section": 0.4},
    kits={"acoustic drum kit": 0.7, "room drum kit": 0.3},
    presence={"drums": 0.96, "pad": 0.3, "counter": 0.6, "bass": 1.0, "chords": 1.0},
    drums={
        "4/4": (
            "k X...X...X...X...|s ....X.......X...|o ..X...X...X...X.|h x...x...x...x...|m ....x.......x...",
            "k X...X...X...X...|s ....X.......X..o|h xxoxxxoxxxoxxxox|o ..x...x...x...x.|m xoxoxoxoxoxoxoxo",
            "k X...X...X...X...|s ....X..o.o..X...|o ..X...X...X...X.|c ....x.......x...|C ......xx......xx",
        )
    },
    bass={"4/4": ("R.8.R.8.R.8.R.88", "R.88R.88R.88R.88", "R.8.R.8.5.8.7.8.", "R-8.R.8.R-8.3.5.")},
    comping={"4/4": ("..xu..xu..xu..xu", "xxuxxxuxxxuxxxux", "x.uxx.uxx.uxx.ux", "..x.u.x.u.x.u.xu")},
    lines={"4/4": ("........12345678", "x-..x-..........", "....5-4-3-......", "8-------7-5-....")},
    feels={"song": 0.6, "stab": 0.4},
    harmony=0.2,
    fills=("toms", "snare"),
    energy_bias=0.4,
    human=4.0,
    sound=Sound(
        tilt=1.5,
        room=(0.5, 1.1),
        wet=0.14,
        space="plate",
        tape=0.15,
        punch=0.3,
        levels={"bass": 3.0, "drums": 1.5, "counter": 5.0, "chords": 2.0},
    ),
)

GOSPEL = Style(
    name="gospel",
    tempo=(84, 140),
    compound_tempo=(52, 76),
    meters={"12/8": 0.4, "4/4": 0.45, "6/8": 0.15},
    modes={"major": 0.9, "mixolydian": 0.1},
    progressions={
        "major": ("I I7 IV ivm6", "I iii7 vi7 IV", "IV #ivdim7 I VI7", "ii7 V7 I I7", "I IV I V7"),
        "mixolydian": ("I7 IV7 I7 V7", "I7 I7 IV7 IV7"),
    },
    moods={"happy": 0.4, "epic": 0.36, "calm": 0.14, "sad": 0.1},
    leads={"choir": 0.55, "drawbar organ": 0.16, "acoustic piano": 0.12, "tenor sax": 0.07, "voice oohs": 0.1},
    basses={"electric bass": 0.7, "organ bass": 0.3},
    keys={"acoustic piano": 0.6, "drawbar organ": 0.4},
    pads={"drawbar organ": 0.7, "choir": 0.3},
    counters={"hammond organ": 0.7, "brass section": 0.3},
    kits={"acoustic drum kit": 0.6, "room drum kit": 0.4},
    presence={"drums": 0.93, "pad": 0.6, "counter": 0.25, "bass": 0.95, "chords": 1.0, "lead": 0.95},
    chord_bars=(0.5, 1.0),
    drums={
        "12/8": (
            "k x.........x.x.........x.|s ......X...........X.....|h x.x.x.x.x.x.x.x.x.x.x.x."
            "|c ......x...........x.....",
            "k x.........x...x.....x...|s ......X...........X...o.|d x.x.x.x.x.x.x.x.x.x.x.x."
            "|m ......x...........x.....",
        ),
        "6/8": (
            "k x.........x.|s ......X.....|h x.x.x.x.x.x.|c ......x.....",
            "k x...x.......|s ......X...o.|d x.x.x.x.x.x.|m ......x.....",
        ),
        "4/4": (
            "k x.x...x.x.x...x.|c ....X.......X...|m ..x.X.x...x.X.x.|h x.x.x.x.x.x.x.x.",
            "k X...X...X...X...|c ....X.......X..x|s ..x...x...x...x.|m xoxoXoxoxoxoXoxo",
            "k x..x..x.x..x..x.|s ....X..o....X..o|c ....x.......x...|m x.x.x.x.x.x.x.x.",
        ),
    },
    bass={
        "12/8": ("R---R-3---5-6---5-3---a-", "R-----R---5-R-----8---a-"),
        "6/8": ("R---R-5---a-", "R-----3---5-"),
        "4/4": ("R---3---5---6---", "R-R-3-3-5-5-a-a-", "R-..R-5-8-..5-a-"),
    },
    comping={
        "12/8": ("x-----x---x-x-----x-u-x-", "x-u-x-x-u-x-x-u-x-x-u-x-", "b-----x---x-b-----x---x-"),
        "6/8": ("x---x-x-u-x-", "b-----x---x-"),
        "4/4": ("b-x-f-x-b-x-f-x-", "x--x..x-x--x..x-", "b-x-..x-b-x-x-x-"),
    },
    feels={"hymn": 0.35, "melisma": 0.65},
    ornament=0.25,
    bend=0.12,
    harmony=0.6,
    energy_bias=0.3,
    fills=("snare", "toms"),
    human=7.0,
    sound=Sound(room=(1.0, 1.9), wet=0.2, space="hall", levels={"pad": 5.0, "chords": 4.0, "drums": 1.5}),
)

POP = Style(
    name="pop",
    tempo=(94, 128),
    modes={"major": 0.7, "minor": 0.3},
    progressions={
        "major": ("I V vi IV", "vi IV I V", "IV I V vi", "I vi IV V", "I IV vi V"),
        "minor": ("i bVI bIII bVII", "bVI bVII i i", "i bIII bVII bVI"),
    },
    moods={"happy": 0.5, "playful": 0.2, "dreamy": 0.15, "sad": 0.15},
    leads={
        "synth voice": 0.24,
        "pulse lead": 0.2,
        "bright piano": 0.18,
        "steel guitar": 0.14,
        "glockenspiel": 0.12,
        "clean guitar": 0.12,
    },
    basses={"analog bass": 0.55, "electric bass": 0.45},
    keys={"bright piano": 0.4, "electric grand piano": 0.2, "steel guitar": 0.2, "polysynth": 0.2},
    pads={"synth strings": 0.5, "analog pad": 0.5},
    counters={"glockenspiel": 0.3, "pluck synth": 0.7},
    kits={"80s drum machine": 0.5, "electronic drum kit": 0.5},
    presence={"drums": 0.94, "pad": 0.4, "counter": 0.3, "bass": 1.0, "chords": 1.0},
    forms=("AABB", "ABAB", "AB"),
    drums={
        "4/4": (
            "k X.....X.X.....X.|c ....X.......X...|s ....X.......X...|E xoxoxoxoxoxoxoxo",
            "k X..X..X...X.....|s ....X.......X...|c ....X.......X...|h x.x.x.x.x.x.x.x.|E ..x...x...x...x.",
            "k X...X...X...X...|c ....X.......X...|s ....X.......X...|E xoxoxoxoxoxoxoxo|m ....x.......x...",
            "k X.....X...X...X.|s ....X.......X...|c ....X.......X.x.|h xxxxxxxxxxxxxxxx",
        )
    },
    bass={"4/4": ("R-R-R-R-R-R-R-R-", "R-----R-R-----R-", "R--R--R-R--R--R-", "R-----R-R---..a-")},
    comping={"4/4": ("x---x---x---x---", "x-x-x-x-x-x-x-x-", "x--x--x-x--x--x-", "1-3-2-3-1-3-2-3-")},
    melody_scale={"major": "major pentatonic"},
    feels={"song": 0.55, "anthem": 0.45},
    harmony=0.3,
    fills=("toms", "snare", "break"),
    risers=0.3,
    energy_bias=0.2,
    human=2.5,
    sound=Sound(
        tilt=2.0,
        room=(0.6, 1.3),
        wet=0.14,
        space="plate",
        duck=0.2,
        punch=0.45,
        levels={"drums": 1.5, "chords": 2.5},
        echo=0.12,
        echo_steps=4,
    ),
)

RNB = Style(
    name="r&b",
    tempo=(62, 94),
    modes={"major": 0.45, "minor": 0.35, "dorian": 0.2},
    progressions={
        "major": ("Imaj9 vi9 ii9 V13", "IVmaj9 iii7 vi9 vi9", "IVmaj9 V13 iii7 vi9", "Imaj9 iii7 IVmaj9 iv6"),
        "minor": ("i9 bVImaj9 iv9 v7", "bVImaj9 bVII13 i9 i9", "i9 iv9 bVImaj9 V7b9"),
        "dorian": ("i9 IV13 i9 IV13", "im11 im11 IV9 IV9"),
    },
    moods={"calm": 0.34, "dreamy": 0.26, "sad": 0.24, "playful": 0.16},
    leads={
        "talkbox lead": 0.22,
        "voice oohs": 0.22,
        "synth voice": 0.2,
        "electric piano": 0.12,
        "nylon guitar": 0.14,
        "alto sax": 0.1,
    },
    basses={"808 sub bass": 0.45, "FM bass": 0.3, "electric bass": 0.25},
    keys={"electric piano": 0.6, "FM electric piano": 0.3, "nylon guitar": 0.1},
    pads={"analog pad": 0.6, "voice oohs": 0.4},
    counters={"FM bells": 0.5, "harp": 0.25, "clean guitar": 0.25},
    kits={"808 drum machine": 0.6, "trap drum machine": 0.4},
    presence={"drums": 0.93, "pad": 0.35, "counter": 0.4, "bass": 1.0, "chords": 1.0},
    chord_bars=(1.0, 0.5),
    drums={
        "4/4": (
            "k X.....x..x......|c ....X.......X...|h x.xxx.x2x.xxx.x2",
            "k X..x......x..x..|c ....X.......X...|r .......x..x.....|h xxx.xxx.xx2.xxx.",
            "k X......xx.......|r ....X.......X...|h x.x2x.x.x.x.x.x2|E ..x...x...x...x.",
        )
    },
    bass={"4/4": ("R-----..R--5----", "R------R..R-..a-", "R---..R---..5-a-")},
    comping={"4/4": ("x---------..x---", "x-----x---------", "x--x------------", "1.2.3.4-x-------")},
    melody_scale={"major": "major pentatonic", "minor": "minor pentatonic"},
    feels={"melisma": 1.0},
    ornament=0.35,
    bend=0.25,
    slide=0.15,
    harmony=0.3,
    strum=0.012,
    fills=("none", "hat roll"),
    swing=Swing(16, 0.52, 0.58),
    energy_bias=-0.3,
    human=6.0,
    sound=Sound(
        tilt=-1.0,
        room=(0.7, 1.4),
        wet=0.16,
        space="plate",
        levels={"bass": 4.5, "drums": 1.0, "chords": 4.0},
        echo=0.15,
    ),
)

SOUL = Style(
    name="soul",
    tempo=(88, 124),
    compound_tempo=(52, 72),
    meters={"4/4": 0.72, "12/8": 0.28},
    modes={"major": 0.7, "mixolydian": 0.15, "dorian": 0.15},
    progressions={
        "major": ("I vi ii7 V7", "Imaj7 ii7 iii7 IVmaj7", "I I7 IV iv6", "vi7 ii7 V7 I", "I iii7 IV V7"),
        "mixolydian": ("I7 IV7 I7 bVII", "I7 bVII IV I7"),
        "dorian": ("i7 IV7 i7 IV7", "i7 bIII IV7 i7"),
    },
    moods={"happy": 0.34, "sad": 0.22, "calm": 0.2, "epic": 0.12, "playful": 0.12},
    leads={
        "tenor sax": 0.26,
        "trumpet": 0.14,
        "hammond organ": 0.2,
        "voice oohs": 0.16,
        "clean guitar": 0.12,
        "baritone sax": 0.12,
    },
    basses={"electric bass": 1.0},
    keys={"reed electric piano": 0.35, "clean guitar": 0.35, "acoustic piano": 0.3},
    pads={"string section": 0.6, "hammond organ": 0.4},
    counters={"brass section": 0.8, "string section": 0.2},
    kits={"room drum kit": 0.6, "acoustic drum kit": 0.4},
    presence={"drums": 0.94, "pad": 0.3, "counter": 0.6, "bass": 1.0, "chords": 1.0},
    drums={
        "4/4": (
            "k X.....x.x.....x.|s X...X...X...X...|m x.x.x.x.x.x.x.x.",
            "k X..x....X..x....|s ....X..o....X..o|m ....X.......X...|h x.x.x.x.x.x.x.x.",
            "k X.x.....X.x.....|s ....X.......X.x.|d x.x.x.x.x.x.x.x.|m ..x...x...x...x.",
        ),
        "12/8": (
            "k x...........x.........x.|s ......X...........X.....|h x.x.x.x.x.x.x.x.x.x.x.x.",
            "k x.........x.x...........|r ......X...........X.....|d x.x.x.x.x.x.x.x.x.x.x.x."
            "|m ......x...........x.....",
        ),
    },
    bass={
        "4/4": ("R--R..35R--R..65", "R-..3-5-6-..5-3-", "R.R3.5..8.7.5.a.", "R---..5-8-6-5-3-"),
        "12/8": ("R-----....5-R-----3---5-", "R---..3-5---R---..8-5-a-"),
    },
    comping={
        "4/4": ("....x.......x...", "..x...x...x...x.", "x---x---x---x---", "....x.u.....x..u"),
        "12/8": ("x.x.x.x.x.x.x.x.x.x.x.x.", "1.2.3.4.3.2.1.2.3.4.3.2.", "......x...........x....."),
    },
    lines={
        "4/4": ("..........x.xx-.", "x-......x-......", "......x.x-......", "x.x.x-.........."),
        "12/8": ("x-----------......x-x-x-", "............x-----x-----"),
    },
    feels={"melisma": 0.5, "song": 0.5},
    ornament=0.25,
    bend=0.2,
    harmony=0.12,
    fills=("snare", "toms"),
    human=7.0,
    sound=Sound(
        tilt=-0.5,
        room=(0.6, 1.2),
        wet=0.16,
        space="plate",
        tape=0.25,
        levels={"counter": 5.0, "bass": 2.5, "chords": 2.0},
    ),
)

SWING = Style(
    name="swing",
    tempo=(138, 212),
    modes={"major": 0.75, "minor": 0.25},
    progressions={
        "major": ("I6 VI7 ii7 V7", "I6 I7 IV6 iv6", "III7 VI7 II7 V7", "I6 I6 ii7 V7", "I6 #idim7 ii7 V7"),
        "minor": ("i6 i6 iv6 V7", "i6 VI7 iim7b5 V7", "i6 iv6 i6 V7"),
    },
    moods={"happy": 0.45, "playful": 0.4, "epic": 0.15},
    leads={
        "clarinet": 0.26,
        "trumpet": 0.18,
        "brass section": 0.2,
        "alto sax": 0.14,
        "trombone": 0.12,
        "muted trumpet": 0.1,
    },
    basses={"upright bass": 1.0},
    keys={"jazz guitar": 0.55, "acoustic piano": 0.45},
    counters={"brass section": 0.75, "tenor sax": 0.25},
    kits={"jazz drum kit": 0.8, "brush drum kit": 0.2},
    presence={"drums": 0.94, "counter": 0.75, "bass": 1.0, "chords": 1.0},
    drums={
        "4/4": (
            "k x...x...x...x...|o x.......x.......|h ....x.x.....x.x.|s ....x.......x...",
            "k x...x...x...x...|h x...x.x.x...x.x.|p ....x.......x...|s ....o.......o...",
            "k x...x...x...x...|3 x...x.x.x...x.x.|1 ....X.......X...|p ....x.......x...",
        )
    },
    bass={"4/4": ("W---W---W---W---", "R---3---5---6---", "R---R---5---5---")},
    comping={"4/4": ("x-..x-..x-..x-..", "x...x...x...x...")},
    lines={
        "4/4": ("x...x.x-........", "..x...x.x-......", "x---....x.x.x---", "......x-......x-", "x.x.x.x.x---...."),
    },
    voicing="open",
    feels={"bebop": 0.45, "stab": 0.2, "song": 0.35},
    ornament=0.2,
    bend=0.15,
    harmony=0.1,
    energy_bias=0.3,
    fills=("snare", "toms"),
    swing=Swing(8, 0.62, 0.67),
    human=6.0,
    sound=Sound(room=(0.6, 1.2), wet=0.15, levels={"counter": 8.0, "chords": 1.0, "drums": 1.0}, tape=0.2),
)

SONGS = (DISCO, GOSPEL, POP, RNB, SOUL, SWING)
