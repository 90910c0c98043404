"""Dub, folk, indie rock, punk, ska."""

from musicldm.corpus.styles.style import Sound, Style, Swing

DUB = Style(
    name="dub",
    tempo=(62, 80),
    modes={"minor": 0.75, "dorian": 0.25},
    progressions={
        "minor": ("i i i i", "i iv i iv", "i bVII i bVII", "i i iv iv"),
        "dorian": ("i IV i IV", "i7 i7 i7 i7"),
    },
    moods={"dark": 0.34, "calm": 0.26, "dreamy": 0.28, "tense": 0.12},
    leads={"harmonica": 0.34, "combo organ": 0.2, "trombone": 0.16, "synth stab": 0.16, "theremin": 0.14},
    basses={"electric bass": 0.6, "sub bass": 0.4},
    keys={"clean guitar": 0.5, "combo organ": 0.3, "acoustic piano": 0.2},
    kits={"room drum kit": 0.6, "acoustic drum kit": 0.4},
    presence={"drums": 0.97, "lead": 0.6, "bass": 1.0, "chords": 0.9},
    chord_bars=(1.0, 2.0),
    shapes={"full": 0.2, "break": 0.4, "late lead": 0.2, "thin end": 0.2},
    drums={
        "4/4": (
            "k ........X.......|s ........X.......|h x..xx..xx..xx..x|r ..............x.",
            "k X...X...X...X...|r ........X.....x.|h x.xxx.xxx.xxx.xx",
            "k x.......X.......|s ........X......x|h ..x...x...x...x.|1 .............xx.",
        )
    },
    bass={"4/4": ("R---..R-3-5-....", "R-R-....5-5-3-..", "....R-8-7-5-....", "R-----5-..3-R---")},
    comping={"4/4": ("....x...........", "............x...", "....x.......x...", "..............x.")},
    melody_scale={"minor": "minor pentatonic", "dorian": "minor pentatonic"},
    feels={"sparse": 1.0},
    fills=("break", "toms", "rim"),
    swing=Swing(16, 0.55, 0.62),
    human=6.0,
    sound=Sound(
        tilt=-3.0,
        room=(1.8, 3.2),
        wet=0.34,
        space="spring",
        tape=0.3,
        levels={"bass": 7.0, "drums": 2.0, "chords": 2.0},
        echo=0.62,
        echo_steps=3,
        echoed=("lead", "chords", "drums"),
    ),
)

FOLK = Style(
    name="folk",
    tempo=(84, 126),
    compound_tempo=(58, 84),
    meters={"4/4": 0.6, "3/4": 0.28, "6/8": 0.12},
    modes={"major": 0.55, "mixolydian": 0.15, "dorian": 0.15, "minor": 0.15},
    progressions={
        "major": ("I IV I V", "I V vi IV", "I I IV I", "vi IV I V", "I iii IV I"),
        "mixolydian": ("I bVII IV I", "I I bVII I"),
        "dorian": ("i IV i bVII", "i bVII i i"),
        "minor": ("i bVII bVI bVII", "i bVI bIII bVII"),
    },
    moods={"calm": 0.34, "sad": 0.22, "happy": 0.24, "dreamy": 0.2},
    leads={
        "steel guitar": 0.3,
        "harmonica": 0.22,
        "fiddle": 0.14,
        "voice oohs": 0.14,
        "mandolin": 0.14,
        "recorder": 0.06,
    },
    basses={"upright bass": 1.0},
    keys={"steel guitar": 0.75, "nylon guitar": 0.15, "mandolin": 0.1},
    counters={"cello": 0.5, "fiddle": 0.5},
    kits={"hand drums": 0.6, "brush drum kit": 0.4},
    presence={"drums": 0.14, "counter": 0.2, "bass": 0.35, "chords": 1.0, "lead": 0.92},
    drums={
        "4/4": ("k x.......x.......|m ....x.......x...", "k x...x...x...x...|E ..x...x...x...x."),
        "3/4": ("k x...........|m ....x...x...",),
        "6/8": ("k x...........|m ......x.....",),
    },
    bass={
        "4/4": ("R-------5-------", "R-------R---a---"),
        "3/4": ("R-----------", "R-------5---"),
        "6/8": ("R-----5-----",),
    },
    comping={
        "4/4": ("b-3-f-2-b-3-f-4-", "b-43f-24b-43f-24", "b-2-3-2-f-2-3-2-", "x---x-uux-uux-u-"),
        "3/4": ("b-2-3-2-4-2-", "b---x-u-x-u-", "b-3-2-4-2-3-"),
        "6/8": ("b-2-3-4-3-2-", "x---u-x---u-"),
    },
    voicing="open",
    feels={"song": 0.5, "pluck": 0.35, "sparse": 0.15},
    ornament=0.2,
    bend=0.08,
    strum=0.012,
    energy_bias=-0.6,
    fills=("none",),
    human=11.0,
    sound=Sound(room=(0.3, 0.7), wet=0.09, levels={"chords": 5.5, "lead": -0.5}),
)

INDIE_ROCK = Style(
    name="indie rock",
    tempo=(118, 156),
    meters={"4/4": 0.95, "3/4": 0.05},
    modes={"major": 0.6, "minor": 0.2, "mixolydian": 0.2},
    progressions={
        "major": (
            "Iadd9 IVmaj7 Iadd9 IVmaj7",
            "I iii IV iv",
            "vi7 IVmaj7 Iadd9 V",
            "IVmaj7 Iadd9 vi7 V",
            "I iii vi7 IVadd9",
        ),
        "minor": ("imadd9 bVImaj7 bIII bVII", "i bIIImaj7 bVII iv"),
        "mixolydian": ("Iadd9 bVII IV I", "I v IV I"),
    },
    moods={"dreamy": 0.26, "happy": 0.28, "sad": 0.2, "playful": 0.14, "tense": 0.12},
    leads={
        "clean guitar": 0.5,
        "combo organ": 0.16,
        "glockenspiel": 0.1,
        "overdriven guitar": 0.12,
        "string machine": 0.12,
    },
    basses={"picked bass": 0.85, "electric bass": 0.15},
    keys={"clean guitar": 0.7, "twelve-string guitar": 0.3},
    counters={"clean guitar": 0.6, "glockenspiel": 0.4},
    kits={"room drum kit": 0.7, "acoustic drum kit": 0.3},
    presence={"drums": 0.94, "counter": 0.4, "bass": 1.0, "chords": 1.0},
    drums={
        "4/4": (
            "k X...X...X...X...|s ....X.......X...|o ..x...x...x...x.|h x...x...x...x...",
            "k X.x...x.X.x...x.|s ....X.......X...|h xxxxxxxxxxxxxxxx",
            "k X.....x...x.....|s ....X.......X.o.|3 x.x.x.x.x.x.x.x.",
            "k X..x..x..x..x...|s ....X.......X...|m x.x.x.x.x.x.x.x.|d x.x.x.x.x.x.x.x.",
        ),
        "3/4": ("k X...........|s ....X...X...|m x.x.x.x.x.x.",),
    },
    bass={
        "4/4": ("R-R-R-R-R-R-8-8-", "RRRRRRRRRRRRRRRR", "R-R-8-8-5-5-3-3-", "R-R-R-R-5-5-6-5-"),
        "3/4": ("R-R-R-R-5-5-",),
    },
    comping={
        "4/4": ("xuxuxuxuxuxuxuxu", "x-xux-xux-xux-xu", "1-3-2-4-3-2-4-2-", "x-x-xux-x-x-xuxu"),
        "3/4": ("x-u-x-u-x-u-", "1-3-2-4-2-3-"),
    },
    lines={"4/4": ("1-2-3-2-1-2-3-2-", "5---5---4---4---", "3-3-3-3-2-2-2-2-"), "3/4": ("1-2-3-2-3-2-",)},
    voicing="open",
    melody_scale={"major": "major pentatonic"},
    feels={"punk": 0.35, "song": 0.4, "pluck": 0.25},
    strum=0.007,
    harmony=0.12,
    energy_bias=0.1,
    fills=("toms", "snare"),
    human=7.0,
    sound=Sound(
        tilt=1.0,
        room=(0.7, 1.5),
        wet=0.2,
        space="spring",
        levels={"chords": 5.0, "counter": 5.0},
        effects={"chords": ("chorus",)},
    ),
)

PUNK = Style(
    name="punk",
    tempo=(164, 206),
    modes={"major": 0.8, "minor": 0.2},
    progressions={
        "major": ("I IV V IV", "I V IV V", "I I IV V", "I bVII IV I", "I vi IV V"),
        "minor": ("i bVI bVII i", "i bIII bVII bVI"),
    },
    moods={"tense": 0.4, "playful": 0.3, "happy": 0.3},
    leads={"overdriven guitar": 0.65, "distorted guitar": 0.35},
    basses={"picked bass": 1.0},
    keys={"distorted guitar": 0.7, "overdriven guitar": 0.3},
    kits={"acoustic drum kit": 0.6, "power drum kit": 0.4},
    presence={"drums": 0.97, "lead": 0.7, "bass": 1.0, "chords": 1.0},
    drums={
        "4/4": (
            "k X...X...X...X...|s ..X...X...X...X.|h x.x.x.x.x.x.x.x.",
            "k X..xX..xX..xX..x|s ..X...X...X...X.|o x...x...x...x...",
            "k X.x.X...X.x.X...|s ..X...X...X...X.|d x...x...x...x...",
            "k X...X.x.X...X.x.|s ..X...X...X...X.|y x...............|o ....x...x...x...",
        )
    },
    bass={"4/4": ("R-R-R-R-R-R-R-R-", "R-R-R-R-R-R-5-5-", "R-R-R-R-R-R-a-a-")},
    comping={"4/4": ("x-x-x-x-x-x-x-x-", "xuxuxuxuxuxuxuxu", "x-x-x-xux-x-x-xu")},
    voicing="power",
    melody_scale={"major": "major pentatonic", "minor": "minor pentatonic"},
    feels={"punk": 1.0},
    energy_bias=1.2,
    harmony=0.2,
    bend=0.1,
    fills=("snare", "snare roll", "toms"),
    human=7.0,
    sound=Sound(tilt=2.5, room=(0.15, 0.4), wet=0.06, levels={"chords": 6.0, "lead": -2.0, "drums": 1.0}, punch=0.2),
)

SKA = Style(
    name="ska",
    tempo=(124, 172),
    modes={"major": 0.65, "minor": 0.2, "mixolydian": 0.15},
    progressions={
        "major": ("I IV V IV", "I vi IV V", "I ii V I", "I I IV V"),
        "minor": ("i iv i V7", "i bVII bVI V7", "i i iv i"),
        "mixolydian": ("I bVII I bVII", "I bVII IV I"),
    },
    moods={"happy": 0.5, "playful": 0.5},
    leads={"trumpet": 0.24, "trombone": 0.26, "tenor sax": 0.2, "brass section": 0.2, "combo organ": 0.1},
    basses={"electric bass": 0.6, "upright bass": 0.4},
    keys={"clean guitar": 0.75, "combo organ": 0.15, "acoustic piano": 0.1},
    counters={"brass section": 0.75, "combo organ": 0.25},
    kits={"acoustic drum kit": 0.6, "room drum kit": 0.4},
    presence={"drums": 0.96, "counter": 0.45, "bass": 1.0, "chords": 1.0},
    drums={
        "4/4": (
            "k ....X.......X...|r ....X.......X...|h x.x.x.x.x.x.x.x.|o ..............x.",
            "k X...X...X...X...|s ....X.......X...|o ..x...x...x...x.",
            "k ....X.......X...|s ....X.......X..x|h ..x...x...x...x.|p x...x...x...x...",
        )
    },
    bass={"4/4": ("W---W---W---W---", "R---3---5---6---", "R-8-7-8-5-8-3-5-", "R---5---8---a---")},
    comping={"4/4": ("..x...x...x...x.", "..x...x...x...xx", "..xu..xu..xu..xu")},
    lines={"4/4": ("x.x.....x.x.....", "....x.......x.x.", "x-..x-......x.x.", "..x...x.x-......")},
    feels={"stab": 0.5, "song": 0.5},
    harmony=0.15,
    energy_bias=0.6,
    fills=("snare", "timbales"),
    human=6.0,
    sound=Sound(tilt=1.5, room=(0.3, 0.8), wet=0.1, levels={"chords": 4.0, "counter": 5.0, "bass": 2.0}),
)

GUITARS = (DUB, FOLK, INDIE_ROCK, PUNK, SKA)
