"""Cumbia, flamenco, reggaeton, salsa, samba, tango.

Salsa and samba are written with one bar of sixteenths for two of the bars that their players count.
"""

from musicldm.corpus.styles.style import Sound, Style, Swing

CUMBIA = Style(
    name="cumbia",
    forms=("ABAB",),
    tempo=(84, 106),
    modes={"minor": 0.7, "major": 0.3},
    progressions={
        "minor": ("i i V7 V7", "i V7 V7 i", "i iv V7 i", "i bVII bVI V7"),
        "major": ("I I V7 V7", "I V7 V7 I", "I IV V7 I"),
    },
    moods={"happy": 0.45, "playful": 0.3, "calm": 0.15, "sad": 0.1},
    leads={"accordion": 0.5, "clarinet": 0.16, "flute": 0.12, "trumpet": 0.12, "combo organ": 0.1},
    basses={"electric bass": 0.8, "upright bass": 0.2},
    keys={"combo organ": 0.35, "clean guitar": 0.45, "acoustic piano": 0.2},
    counters={"accordion": 0.5, "brass section": 0.5},
    kits={"latin percussion": 1.0},
    presence={"drums": 0.93, "counter": 0.25, "bass": 1.0, "chords": 1.0},
    drums={
        "4/4": (
            "i X.xxX.xxX.xxX.xx|C ..x...x...x...x.|G x.......x.......|z x...x...x...x...",
            "i X.xxX.xxX.xxX.xx|w x.......x.......|C ..x...x...x..xx.|k X.......X.......",
            "I X...X...X...X...|i ..xx..xx..xx..xx|q ..x...x...x...x.|G X.....x.X.......",
        )
    },
    bass={"4/4": ("R-------3---5---", "R-------5---L---", "R---..R-5---3---")},
    comping={"4/4": ("..x...x...x...x.", "..x...x...x.x.x.", "..xu..xu..xu..xu")},
    lines={"4/4": ("....1.2.3-..2.1.", "..........3.2.1.", "1-..3-..1-..3-..")},
    feels={"song": 0.4, "clave": 0.35, "dembow": 0.25},
    ornament=0.2,
    harmony=0.3,
    fills=("congas", "none"),
    human=6.0,
    sound=Sound(tilt=1.0, room=(0.3, 0.8), wet=0.1, levels={"drums": 2.0, "bass": 2.0}),
)

FLAMENCO = Style(
    name="flamenco",
    tempo=(96, 132),
    compound_tempo=(66, 100),
    meters={"12/8": 0.45, "4/4": 0.35, "3/4": 0.2},
    modes={"phrygian dominant": 0.75, "phrygian": 0.25},
    progressions={
        "phrygian dominant": ("iv bIII bII I", "I bII I bII", "I I bII I", "bII bIII bII I"),
        "phrygian": ("iv bIII bII i", "i bII bIII bII", "i i bII i"),
    },
    moods={"tense": 0.34, "dark": 0.22, "sad": 0.24, "epic": 0.2},
    leads={"nylon guitar": 0.9, "violin": 0.05, "flute": 0.05},
    basses={"fretless bass": 1.0},
    keys={"nylon guitar": 1.0},
    kits={"cajon and claps": 1.0},
    presence={"drums": 0.72, "bass": 0.12, "chords": 1.0, "lead": 0.95},
    chord_bars=(1.0, 0.5),
    drums={
        "12/8": (
            "c x.....x.....x...x...x...|k X...........X...........|s ......o.....o...X...o...",
            "c x..xx.x..xx.x.x.x.x.x.x.|K ......x.....x...x...x...",
            "k X.....X.....X...X...X...|s ..o.x...o.x...x...x...xx|c ..x...x.x...x...x...x...",
        ),
        "4/4": (
            "k X..x..x.X..x..x.|s ..x.x..x..x.x..x|c ....x..x....x.xx",
            "k X.....x.....x...|s ...x..X.o.x.X.o.|c x.x.x.x.x.x.x.x.",
        ),
        "3/4": ("k X.......x...|s ....x.x.X.x.|c x...x...x...", "c x.xxx.xxx.xx|k X...........|K ....x...x..."),
    },
    bass={"12/8": ("R-----------R-----------",), "4/4": ("R-----R---R-----",), "3/4": ("R-----------",)},
    comping={
        "12/8": ("x--.x-u-x-u-x---x---x---", "xuxuxuxuxuxux-u-x-u-x-u-", "x-----x-----x---x-u-x-u-"),
        "4/4": ("x-xux-xux-xux-xu", "x--u--x-xux-x-u-", "xuxux---xuxux---", "x-u-xuxux-u-xuxu"),
        "3/4": ("x---xux-xux-", "xuxuxuxux---", "x-u-x-u-x---"),
    },
    voicing="open",
    forms=("AB", "AAB"),
    section_bars=4,
    feels={"flamenco": 1.0},
    ornament=0.45,
    tremolo=0.5,
    strum=0.016,
    fills=("none",),
    human=8.0,
    energy_bias=0.2,
    sound=Sound(tilt=1.0, room=(0.5, 1.2), wet=0.16, levels={"chords": 3.0, "drums": -1.0}),
)

REGGAETON = Style(
    name="reggaeton",
    forms=("AABB", "AB"),
    tempo=(88, 100),
    modes={"minor": 0.85, "phrygian": 0.15},
    progressions={
        "minor": ("i bVI bIII bVII", "i bVII bVI bVII", "i iv bVI V", "bVI bVII i i"),
        "phrygian": ("i bII i bII", "i bII bIII bII"),
    },
    moods={"playful": 0.3, "happy": 0.26, "tense": 0.2, "dark": 0.24},
    leads={
        "pluck synth": 0.34,
        "synth voice": 0.2,
        "talkbox lead": 0.12,
        "flute": 0.1,
        "marimba": 0.12,
        "saw lead": 0.12,
    },
    basses={"808 sub bass": 0.5, "sub bass": 0.3, "analog bass": 0.2},
    keys={"pluck synth": 0.35, "polysynth": 0.3, "nylon guitar": 0.35},
    pads={"analog pad": 1.0},
    kits={"808 drum machine": 0.6, "electronic drum kit": 0.4},
    presence={"drums": 0.95, "pad": 0.2, "bass": 1.0, "chords": 0.95},
    chord_bars=(1.0, 0.5),
    drums={
        "4/4": (
            "k X...X...X...X...|s ...x..x....x..x.|h x.x.x.x.x.x.x.x.",
            "k X...X...X...X...|s ...X..X....X..X.|i x.xxx.xxx.xxx.xx",
            "k X...x...X...x...|s ...x..x....x..x.|c ...x..x....x..x.|E xoxoxoxoxoxoxoxo",
            "k X...x...X...x..x|r ...x..x....x..x.|s ......x.......x.|h ..x...x...x...x.",
        )
    },
    bass={"4/4": ("R--R--R-R--R--R-", "R-----R-R-----R-", "R--.R-..R--.R-5-")},
    comping={"4/4": ("x--x--x-x--x--x-", "..x...x...x...x.", "x-..x--x..x-x---", "1.2.3.2.1.2.3.2.")},
    melody_scale={"minor": "minor pentatonic"},
    feels={"dembow": 1.0},
    slide=0.12,
    fills=("none", "break", "hat roll"),
    risers=0.25,
    energy_bias=0.3,
    human=1.5,
    sound=Sound(tilt=0.5, room=(0.4, 1.0), wet=0.1, duck=0.2, levels={"drums": 3.5, "bass": 4.0}, echo=0.15, punch=0.4),
)

SALSA = Style(
    name="salsa",
    forms=("AAB",),
    section_bars=4,
    tempo=(88, 110),
    modes={"minor": 0.55, "dorian": 0.15, "major": 0.3},
    progressions={
        "minor": ("i iv V7 iv", "i V7 V7 i", "iim7b5 V7 i i", "i bVII bVI V7"),
        "dorian": ("i7 IV7 i7 IV7", "ii7 V7 i7 i7"),
        "major": ("I IV V7 IV", "I vi ii7 V7", "ii7 V7 I I"),
    },
    moods={"happy": 0.45, "playful": 0.3, "tense": 0.13, "epic": 0.12},
    leads={
        "trumpet": 0.26,
        "trombone": 0.2,
        "brass section": 0.2,
        "acoustic piano": 0.12,
        "flute": 0.14,
        "alto sax": 0.08,
    },
    basses={"upright bass": 0.4, "electric bass": 0.6},
    keys={"acoustic piano": 0.9, "bright piano": 0.1},
    counters={"brass section": 1.0},
    kits={"latin percussion": 1.0},
    presence={"drums": 0.95, "counter": 0.45, "bass": 1.0, "chords": 1.0},
    chord_bars=(0.5, 1.0),
    drums={
        "4/4": (
            "v x..x..x...x.x...|C ......xx......xx|q ..x...o...x...o.|w X.x.X.x.X.x.X.x.",
            "v ..x.x...x..x..x.|C ......xx......xx|q ..x.......x.....|T x.x.xx.xx.xx.x.x",
            "v x..x...x..x.x...|w X..xx.x.X.x.xx.x|C ......xx......xx|z x.xxx.xxx.xxx.xx",
            "v x..x..x...x.x...|B x.o.x.o.x.o.x...|g ..............x.|C ......xx......xx|i x.xxx.xxx.xxx.xx",
        )
    },
    bass={"4/4": ("...5--n-...5--n-", "R--5--n-...5--n-", "...5--8-...5--n-")},
    comping={
        "4/4": ("1.x.1.x..x.x.x.x", "x.2.x.2x.x.2.x.x", "1.23.23.1.23.23.", ".x.x.x.xx.x.x.x."),
    },
    lines={"4/4": ("x..x..x.........", "........x.xx....", "....x.x.....x.x.", "x-......x-..x.x.")},
    voicing="octaves",
    feels={"clave": 0.85, "stab": 0.15},
    harmony=0.15,
    ornament=0.1,
    energy_bias=0.4,
    fills=("timbales", "bongos", "none"),
    human=5.0,
    sound=Sound(tilt=1.5, room=(0.4, 0.9), wet=0.11, levels={"drums": 2.5, "bass": 2.5, "chords": 3.0, "counter": 3.0}),
)

SAMBA = Style(
    name="samba",
    forms=("AABB",),
    section_bars=4,
    tempo=(96, 114),
    modes={"major": 0.65, "minor": 0.35},
    progressions={
        "major": ("I VI7 ii7 V7", "I6 I6 ii7 V7", "Imaj7 IV6 iii7 VI7", "I V7 V7 I"),
        "minor": ("i iv V7 i", "i6 iim7b5 V7 i6", "i bVI V7 i"),
    },
    moods={"happy": 0.55, "playful": 0.3, "epic": 0.15},
    leads={"flute": 0.2, "trombone": 0.2, "voice oohs": 0.2, "steel guitar": 0.2, "clarinet": 0.1, "trumpet": 0.1},
    basses={"electric bass": 0.6, "upright bass": 0.4},
    keys={"nylon guitar": 0.55, "steel guitar": 0.45},
    counters={"brass section": 0.6, "flute": 0.4},
    kits={"samba percussion": 1.0},
    presence={"drums": 0.96, "counter": 0.2, "bass": 0.8, "chords": 1.0},
    drums={
        "4/4": (
            "S ....X.......X...|U x.......x.......|m xoxxxoxxxoxxxoxx|W x.x.xx.x.x.x.xx.|s oxoXoxoXoxoXoxoX",
            "S ....X.......X..x|U x...o...x...o...|A x.x..x...x..x...|a ...x...x..x...x.|E xxxxxxxxxxxxxxxx",
            "S ....X.......X...|U x.......x.......|s X.xX.xX.X.xX.xX.|W .x.xx.x.x.xx.x.x|u ........x.......",
            "S ....X...x...X...|U x.......x.......|m xoxxxoxxxoxxxoxx|A x.xx.x.x.x.xx.x.",
        )
    },
    bass={"4/4": ("R--RL--LR--RL--L", "R---5---R---5---", "R--R5---R--R5-a-")},
    comping={"4/4": ("x.x.xx.x.x.x.xx.", "x..xx.x..x.xx.x.", "xuxxuxxuxuxxuxxu", ".x.xx.x.x.xx.x.x")},
    feels={"clave": 0.5, "bossa": 0.3, "busy": 0.2},
    harmony=0.2,
    strum=0.006,
    energy_bias=0.5,
    fills=("surdos", "snare roll", "none"),
    swing=Swing(16, 0.52, 0.57),
    human=6.0,
    sound=Sound(tilt=2.0, room=(0.5, 1.2), wet=0.12, levels={"drums": 5.0, "chords": 1.0}),
)

TANGO = Style(
    name="tango",
    tempo=(112, 134),
    modes={"harmonic minor": 0.75, "major": 0.25},
    progressions={
        "harmonic minor": ("i i V7 V7", "i iv V7 i", "iv i V7 i", "i V7 i V7", "i bVI iim7b5 V7"),
        "major": ("I V7 V7 I", "I VI7 ii V7", "I vi ii V7"),
    },
    moods={"tense": 0.3, "sad": 0.3, "dark": 0.2, "epic": 0.2},
    leads={"bandoneon": 0.52, "violin": 0.36, "acoustic piano": 0.06, "clarinet": 0.06},
    basses={"upright bass": 1.0},
    keys={"acoustic piano": 0.6, "bandoneon": 0.4},
    pads={"string section": 1.0},
    counters={"violin": 0.6, "cello": 0.4},
    kits={"orchestral percussion": 1.0},
    presence={"drums": 0.04, "pad": 0.25, "counter": 0.4, "bass": 1.0, "chords": 1.0, "lead": 0.95},
    drums={"4/4": ("s ....x..x....x...", "k x...........x...")},
    bass={"4/4": ("R...5...R...5...", "R...R...5...a...", "R--R..R-5...a...", "R..RR...R..R5...")},
    comping={"4/4": ("x...x...x...x...", "x..x..x.x...x...", "x...x...x..xx...", ".xx.x...x..xx.x.")},
    lines={"4/4": ("........321.....", "x-------....3-2-", "............1234", "3-------2-------")},
    feels={"tango": 1.0},
    ornament=0.25,
    bend=0.12,
    harmony=0.15,
    forms=("AB", "AABB"),
    fills=("none",),
    human=9.0,
    sound=Sound(room=(0.6, 1.3), wet=0.16, levels={"chords": 4.0, "bass": 2.0, "counter": 3.0}),
)

LATIN = (CUMBIA, FLAMENCO, REGGAETON, SALSA, SAMBA, TANGO)
