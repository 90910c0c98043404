"""Drum and bass, hip hop, house, lo-fi, synthwave, techno."""

from musicldm.corpus.styles.style import Sound, Style, Swing

DRUM_AND_BASS = Style(
    name="drum and bass",
    tempo=(166, 180),
    modes={"minor": 0.75, "dorian": 0.25},
    progressions={
        "minor": ("i7 i7 bVImaj7 bVImaj7", "i9 i9 bVII bVI", "i7 i7 iv7 iv7", "i i i i"),
        "dorian": ("i9 i9 IV IV", "i7 i7 bVII bVII"),
    },
    moods={"dark": 0.36, "tense": 0.3, "dreamy": 0.18, "epic": 0.16},
    leads={
        "saw lead": 0.3,
        "square lead": 0.2,
        "synth voice": 0.2,
        "electric piano": 0.2,
        "flute": 0.1,
    },
    basses={"reese bass": 0.6, "sub bass": 0.4},
    keys={"polysynth": 0.4, "electric piano": 0.25, "synth strings": 0.35},
    pads={"sweep pad": 0.4, "warm pad": 0.3, "halo pad": 0.3},
    kits={"room drum kit": 0.6, "acoustic drum kit": 0.4},
    presence={"drums": 0.93, "pad": 0.4, "chords": 0.8, "bass": 1.0},
    drums={
        "4/4": (
            "k X.........x.....|s ....X.......X...|h x.x.x.x.x.x.x.x.",
            "k X.x.......x.....|s ....X..o.o..X..o|h x.xxx.x.x.xxx.x.",
            "k X.........x..x..|s ....X..o....X.oo|h xxxxxxxxxxxxxxxx",
            "k X..x......x.....|s ....X.o..o..X...|d x.x.x.x.x.x.x.x.",
        )
    },
    bass={"4/4": ("R-------..R-----", "R---..R-----R-..", "R-----R.8---5---", "R-.R-.R---.R7-8-")},
    comping={"4/4": ("x---------------", "x--x--..x--x--..", "x.....x.....x...", "....x-......x-..")},
    melody_scale={"minor": "minor pentatonic", "dorian": "minor pentatonic"},
    feels={"synth": 0.6, "sparse": 0.4},
    fills=("snare roll", "break"),
    risers=0.4,
    energy_bias=0.4,
    human=1.5,
    sound=Sound(
        tilt=2.0,
        room=(0.5, 1.4),
        wet=0.13,
        duck=0.25,
        levels={"drums": 3.0, "bass": 4.0, "lead": 1.5},
        echo=0.3,
        sweep=0.2,
    ),
)

HIP_HOP = Style(
    name="hip hop",
    tempo=(82, 100),
    modes={"minor": 0.7, "dorian": 0.2, "phrygian": 0.1},
    progressions={
        "minor": ("i bVI i bVI", "i i iv V", "i bVII bVI V", "i i bVI bVII"),
        "dorian": ("i IV i IV", "i7 i7 IV7 IV7"),
        "phrygian": ("i bII i bII", "i i bII i"),
    },
    moods={"dark": 0.34, "tense": 0.2, "sad": 0.14, "playful": 0.18, "epic": 0.14},
    leads={
        "pizzicato strings": 0.18,
        "square lead": 0.18,
        "flute": 0.12,
        "brass section": 0.14,
        "bright piano": 0.16,
        "sitar": 0.1,
        "glockenspiel": 0.12,
    },
    basses={"sub bass": 0.4, "electric bass": 0.4, "upright bass": 0.2},
    keys={"bright piano": 0.35, "string section": 0.35, "clavinet": 0.1, "synth strings": 0.2},
    pads={"choir": 0.4, "slow strings": 0.6},
    kits={"acoustic drum kit": 0.4, "room drum kit": 0.3, "808 drum machine": 0.3},
    presence={"drums": 0.92, "pad": 0.2, "bass": 1.0, "chords": 1.0},
    chord_bars=(1.0, 0.5),
    drums={
        "4/4": (
            "k X......x..x.....|s ....X.......X...|c ....X.......X...|h x.x.x.x.x.x.x.x.",
            "k X..x......x..x..|c ....X.......X...|h x.x.x.xxx.x.xxx.",
            "k X.x....x.xx.....|s ....X.......X...|h xxxxx.xxxxxxx.xx",
            "k X.....x...x.x...|c ....X.......X..x|h x.xxx.x.xxx.x.xx|o ......x.........",
        )
    },
    bass={"4/4": ("R------R--R-----", "R--R------R--5--", "R-----..R-R-....", "R-----R---R-a---")},
    comping={"4/4": ("x---....x---....", "x.x.x.x.x.x.x.x.", "x---------------", "x..x..x.x..x..x.")},
    melody_scale={"minor": "minor pentatonic"},
    feels={"loop": 0.8, "sparse": 0.2},
    fills=("hat roll", "break"),
    swing=Swing(16, 0.54, 0.6),
    human=3.0,
    sound=Sound(
        tilt=-1.5, room=(0.3, 0.8), wet=0.09, tape=0.4, punch=0.4, levels={"drums": 3.0, "bass": 5.0, "lead": 1.5}
    ),
)

HOUSE = Style(
    name="house",
    tempo=(118, 127),
    modes={"minor": 0.6, "dorian": 0.2, "major": 0.2},
    progressions={
        "minor": ("i7 bVImaj7 bIIImaj7 bVII", "i9 iv9 i9 v7", "i7 bVII bVImaj7 bVII"),
        "dorian": ("i9 IV7 i9 IV7", "i7 i7 IV9 IV9"),
        "major": ("Imaj7 vi7 IVmaj7 V", "IVmaj7 V iii7 vi7"),
    },
    moods={"happy": 0.46, "playful": 0.24, "dreamy": 0.16, "epic": 0.14},
    leads={
        "bright piano": 0.24,
        "saw lead": 0.22,
        "voice oohs": 0.14,
        "alto sax": 0.12,
        "drawbar organ": 0.14,
        "steel drums": 0.06,
        "square lead": 0.08,
    },
    basses={"analog bass": 0.5, "organ bass": 0.25, "synth bass": 0.25},
    keys={"bright piano": 0.65, "drawbar organ": 0.2, "synth stab": 0.15},
    pads={"synth strings": 0.6, "warm pad": 0.4},
    kits={"909 drum machine": 0.85, "electronic drum kit": 0.15},
    presence={"drums": 0.92, "pad": 0.35, "bass": 1.0, "chords": 1.0},
    drums={
        "4/4": (
            "k X...X...X...X...|c ....X.......X...|o ..X...X...X...X.|h x...x...x...x...",
            "k X...X...X...X...|c ....X.......X...|o ..X...X...X...X.|z xoxoxoxoxoxoxoxo",
            "k X...X...X...X..x|s ....X..o....X...|o ..X...X...X...X.|h x.xxx.xxx.xxx.xx",
            "k X...X...X...X...|c ....X.......X..x|o ..X...X...X...X.|C ...x..x....x..x.",
        )
    },
    bass={"4/4": ("..R-..R-..R-..R-", "R..R..8.R..R..8.", "..R.R.8...R.R.8.", "R.8.R.8.R.8.R.8.")},
    comping={"4/4": ("x..x..x...x..x..", "..x-..x-..x-..x-", "x--x--x-x--x--x-", "x..x..x..x..x.x.")},
    feels={"synth": 0.4, "song": 0.4, "stab": 0.2},
    fills=("snare roll", "break", "hat roll"),
    swing=Swing(16, 0.5, 0.56),
    risers=0.4,
    harmony=0.12,
    energy_bias=0.3,
    human=1.5,
    sound=Sound(
        tilt=1.5,
        room=(0.4, 1.0),
        wet=0.12,
        duck=0.5,
        levels={"drums": 2.0, "chords": 3.5, "bass": 2.0, "lead": 1.0},
        echo=0.15,
        sweep=0.3,
    ),
)

LOFI = Style(
    name="lo-fi",
    tempo=(66, 86),
    modes={"major": 0.4, "dorian": 0.35, "minor": 0.25},
    progressions={
        "major": ("IVmaj9 iii7 vi9 V", "ii9 V13 Imaj9 vi9", "Imaj9 iii7 IVmaj9 iv6", "IVmaj7 iii7 ii9 Imaj9"),
        "dorian": ("i9 IV13 i9 IV13", "i9 ii7 i9 bVIImaj7"),
        "minor": ("bVImaj9 v7 i9 i9", "iv9 bVII13 bIIImaj9 bVImaj9", "i9 iv9 bVImaj7 v7"),
    },
    moods={"calm": 0.4, "dreamy": 0.3, "sad": 0.3},
    leads={
        "jazz guitar": 0.2,
        "vibraphone": 0.16,
        "muted trumpet": 0.14,
        "electric piano": 0.14,
        "music box": 0.12,
        "kalimba": 0.1,
        "flute": 0.14,
    },
    basses={"electric bass": 0.5, "upright bass": 0.35, "fretless bass": 0.15},
    keys={"electric piano": 0.65, "FM electric piano": 0.15, "nylon guitar": 0.2},
    pads={"warm pad": 1.0},
    kits={"acoustic drum kit": 0.5, "jazz drum kit": 0.5},
    presence={"drums": 0.88, "pad": 0.2, "bass": 1.0, "chords": 1.0},
    chord_bars=(1.0, 0.5),
    drums={
        "4/4": (
            "k x......x..x.....|s ....x.......x...|h x.x.x.x.x.x.x.x.",
            "k x.....x..x......|r ....x.......x...|h x.x.x.xox.x.x.x.",
            "k x..x.......x....|s ....x.......x..o|h x.x.x.x.x.x.xox.",
        )
    },
    bass={"4/4": ("R-----..R---..a-", "R---..5-R-------", "R------R--5-..a-")},
    comping={"4/4": ("x-------..x-----", "x---------------", "x-----u-....x---", "1-2-3-4-x-------")},
    feels={"sparse": 0.6, "song": 0.4},
    fills=("none", "break"),
    swing=Swing(16, 0.57, 0.64),
    energy_bias=-0.6,
    human=10.0,
    sound=Sound(
        room=(0.4, 0.9),
        wet=0.14,
        top=(3200, 4600),
        crackle=1.0,
        tape=0.8,
        levels={"drums": 0.0, "chords": 4.0, "bass": 1.0},
        echo=0.1,
        echo_steps=4,
    ),
)

SYNTHWAVE = Style(
    name="synthwave",
    tempo=(84, 116),
    modes={"minor": 0.7, "dorian": 0.15, "major": 0.15},
    progressions={
        "minor": ("i bVI bIII bVII", "i bVII bVI bVII", "bVI bVII i i", "i iv bVI V"),
        "dorian": ("i bIII bVII IV", "i IV bVII i"),
        "major": ("I V vi IV", "vi IV I V"),
    },
    moods={"dreamy": 0.3, "epic": 0.26, "dark": 0.2, "sad": 0.1, "happy": 0.14},
    leads={"saw lead": 0.44, "square lead": 0.24, "fifths lead": 0.14, "alto sax": 0.1, "overdriven guitar": 0.08},
    basses={"analog bass": 0.7, "synth bass": 0.3},
    keys={"polysynth": 0.4, "synth brass": 0.3, "string machine": 0.3},
    pads={"analog pad": 0.4, "synth strings": 0.3, "halo pad": 0.3},
    counters={"FM electric piano": 0.5, "square lead": 0.5},
    kits={"80s drum machine": 0.7, "electronic drum kit": 0.3},
    presence={"drums": 0.9, "pad": 0.45, "counter": 0.35, "bass": 1.0, "chords": 1.0},
    drums={
        "4/4": (
            "k X.......X.......|s ....X.......X...|h x.x.x.x.x.x.x.x.",
            "k X.......X.x.....|s ....X.......X...|h xxxxxxxxxxxxxxxx",
            "k X...X...X...X...|s ....X.......X...|h ..x...x...x...x.",
            "k X.....x.X.......|s ....X.......X...|m x.x.x.x.x.x.x.x.",
        )
    },
    bass={"4/4": ("R.R.R.R.R.R.R.R.", "RRRRRRRRRRRRRRRR", "R.8.R.8.R.8.R.8.", "R.RRR.RRR.RRR.RR")},
    comping={"4/4": ("x---------------", "1.3.4.5.4.3.4.5.", "123454321234543.", "x.....x.....x...")},
    feels={"long": 0.4, "synth": 0.6},
    fills=("toms", "snare roll"),
    bend=0.1,
    harmony=0.12,
    human=1.0,
    sound=Sound(
        room=(1.2, 2.2),
        wet=0.24,
        duck=0.3,
        levels={"pad": 2.5, "drums": 1.5, "chords": 1.5, "bass": 1.0, "lead": 1.0},
        echo=0.32,
        sweep=0.2,
    ),
)

TECHNO = Style(
    name="techno",
    tempo=(129, 145),
    modes={"minor": 0.55, "phrygian": 0.45},
    progressions={
        "minor": ("i i i i", "i i i bVI", "i i bVII i"),
        "phrygian": ("i i i i", "i i bII i", "i bII i i"),
    },
    moods={"dark": 0.44, "tense": 0.4, "dreamy": 0.16},
    leads={"acid lead": 0.46, "saw lead": 0.2, "square lead": 0.14, "hoover lead": 0.1, "synth stab": 0.1},
    basses={"analog bass": 0.4, "reese bass": 0.2, "acid bass": 0.4},
    keys={"synth stab": 0.7, "fifths lead": 0.3},
    pads={"sweep pad": 0.5, "drone pad": 0.5},
    kits={"909 drum machine": 0.9, "808 drum machine": 0.1},
    presence={"drums": 0.94, "pad": 0.3, "chords": 0.7, "lead": 0.82, "bass": 1.0},
    chord_bars=(1.0, 2.0),
    drums={
        "4/4": (
            "k X...X...X...X...|h ..x...x...x...x.|c ............x...",
            "k X...X...X...X...|h xxxxxxxxxxxxxxxx|r ...x..x....x..x.",
            "k X...X...X...X...|o ..x...x...x...x.|h xoxoxoxoxoxoxoxo|r ......x..x......",
            "k X...X...X...X...|h ..xx..xx..xx..xx|2 ...x.....x....x.|w ......o.......o.",
        )
    },
    bass={"4/4": (".RRR.RRR.RRR.RRR", "..R...R...R...R.", ".R.R.R.R.R.R.R.R", "RR.RRR.RRR.RRR.R")},
    comping={"4/4": ("..x.....x.......", "...x..x....x..x.", "x.....x.........", "......x.......x.")},
    feels={"acid": 0.8, "loop": 0.2},
    fills=("hat roll", "break", "snare roll"),
    risers=0.4,
    energy_bias=0.4,
    human=0.6,
    sound=Sound(
        tilt=-1.0,
        room=(0.6, 1.8),
        wet=0.16,
        duck=0.45,
        levels={"drums": 4.5, "bass": 3.0, "lead": 1.0},
        echo=0.35,
        sweep=0.4,
    ),
)

ELECTRONIC = (DRUM_AND_BASS, HIP_HOP, HOUSE, LOFI, SYNTHWAVE, TECHNO)
