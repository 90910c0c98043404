"""Chiptune, deep house, dubstep, minimal techno, trance, trap."""

from musicldm.corpus.styles.style import Sound, Style, Swing

_BUILDS = {"full": 0.3, "drop": 0.3, "build": 0.15, "break": 0.15, "late lead": 0.1}

CHIPTUNE = Style(
    name="chiptune",
    tempo=(122, 176),
    meters={"4/4": 0.92, "3/4": 0.08},
    modes={"major": 0.5, "minor": 0.35, "mixolydian": 0.15},
    progressions={
        "major": ("I V vi IV", "I bVII bVI V", "IV V iii vi", "I vi IV V"),
        "minor": ("i bVI bVII i", "bVI bVII i i", "i bVII bVI V", "i iv bVII bIII"),
        "mixolydian": ("I bVII IV I", "I I bVII bVII"),
    },
    moods={"happy": 0.34, "playful": 0.4, "epic": 0.16, "tense": 0.1},
    leads={"chip lead": 1.0},
    basses={"chip bass": 1.0},
    keys={"chip chords": 1.0},
    counters={"chip lead": 0.5, "chip chords": 0.5},
    kits={"chip drums": 1.0},
    presence={"drums": 0.88, "counter": 0.3, "bass": 1.0, "chords": 0.95, "lead": 0.95},
    section_bars=4,
    forms=("AABB", "ABAC"),
    drums={
        "4/4": (
            "k X...X...X...X...|s ....X.......X...|h x.x.x.x.x.x.x.x.|o ..............x.",
            "k X..x..x...X..x..|s ....X.......X.xx|h x.xxx.xxx.xxx.xx",
            "k X.x.....X.x.....|s ....X..x....X..x|h xxxxxxxxxxxxxxx2",
        ),
        "3/4": ("k X...........|s ....X...X...|h x.x.x.x.x.x.",),
    },
    bass={
        "4/4": ("R-8-R-8-R-8-R-8-", "RR8RRR8RRR8RRR8R", "R-R-8-R-5-5-7-5-", "R...R.8.R...5.8."),
        "3/4": ("R-8-5-8-5-8-",),
    },
    comping={
        "4/4": ("z---------------", "z-z-z-z-z-z-z-z-", "z-------z-------", "z-..z-..z-..z-.."),
        "3/4": ("z-----------", "..z-z-..z-z-"),
    },
    lines={"4/4": ("1.2.3.4.1.2.3.4.", "5432543254325432", "..1...1...1...1."), "3/4": ("1.2.3.4.3.2.",)},
    feels={"chip": 1.0},
    ornament=0.1,
    arpeggio_hertz=50.0,
    fills=("snare roll", "toms"),
    energy_bias=0.3,
    human=0.0,
    sound=Sound(tilt=2.0, room=(0.1, 0.2), wet=0.02, levels={"drums": -1.0, "chords": 2.0, "bass": 2.0}),
)

DEEP_HOUSE = Style(
    name="deep house",
    forms=("AAAB",),
    tempo=(116, 124),
    modes={"dorian": 0.45, "minor": 0.55},
    progressions={
        "dorian": ("i9 i9 IV9 IV9", "im11 im11 i9 i9", "i9 ii7 i9 ii7"),
        "minor": ("i9 i9 iv9 iv9", "i9 bVImaj9 i9 bVImaj9", "iv9 v7 i9 i9"),
    },
    moods={"calm": 0.3, "dreamy": 0.44, "dark": 0.26},
    leads={
        "reed electric piano": 0.2,
        "vibraphone": 0.14,
        "synth voice": 0.2,
        "tenor sax": 0.14,
        "synth stab": 0.2,
        "flute": 0.12,
    },
    basses={"organ bass": 0.45, "sub bass": 0.35, "FM bass": 0.2},
    keys={"electric piano": 0.4, "synth stab": 0.35, "drawbar organ": 0.25},
    pads={"analog pad": 0.6, "warm pad": 0.4},
    kits={"909 drum machine": 0.8, "808 drum machine": 0.2},
    presence={"drums": 0.95, "pad": 0.7, "lead": 0.75, "bass": 1.0, "chords": 1.0},
    chord_bars=(1.0, 2.0),
    shapes=_BUILDS,
    drums={
        "4/4": (
            "k x...x...x...x...|r ..x..x....x..x..|o ..x...x...x...x.|E xoxoxoxoxoxoxoxo",
            "k x...x...x...x...|c ....o.......o...|h ..x...x...x...x.|E xoxxxoxxxoxxxoxx|C ...x......x.....",
            "k x...x...x...x...|r ....x..x.x..x...|h ..x..xx...x..xx.|g ......x..x......",
        )
    },
    bass={"4/4": ("R--R..R-...R..5-", "..R-..8-..R-5-..", "R-....R..R-..8..", "...R--R-...R--7-")},
    comping={"4/4": ("..x-......x-....", "...x--....x-....", "......x-......x-", ".x-...x-..x-....")},
    feels={"sparse": 0.6, "blip": 0.4},
    fills=("none", "rim"),
    swing=Swing(16, 0.54, 0.6),
    energy_bias=-0.4,
    human=2.5,
    sound=Sound(
        tilt=-4.0,
        room=(0.8, 1.8),
        wet=0.2,
        duck=0.35,
        levels={"bass": 4.0, "pad": 3.5, "chords": 3.5},
        echo=0.3,
        sweep=0.3,
        echoed=("lead", "chords"),
    ),
)

DUBSTEP = Style(
    name="dubstep",
    forms=("AAAB", "AB"),
    section_bars=4,
    tempo=(138, 146),
    modes={"minor": 0.6, "phrygian": 0.4},
    progressions={
        "minor": ("i i i i", "i i bVI bVI", "i i bVI bVII"),
        "phrygian": ("i i bII bII", "i i i bII"),
    },
    moods={"dark": 0.5, "tense": 0.35, "epic": 0.15},
    leads={"hoover lead": 0.3, "talkbox lead": 0.2, "pulse lead": 0.2, "supersaw lead": 0.15, "synth voice": 0.15},
    basses={"wobble bass": 0.85, "reese bass": 0.15},
    keys={"supersaw chords": 0.5, "synth stab": 0.5},
    pads={"drone pad": 0.5, "synth choir": 0.5},
    kits={"trap drum machine": 0.4, "909 drum machine": 0.3, "power drum kit": 0.3},
    presence={"drums": 0.97, "pad": 0.3, "lead": 0.7, "bass": 1.0, "chords": 0.4},
    chord_bars=(1.0, 2.0),
    shapes=_BUILDS,
    drums={
        "4/4": (
            "k X.........x.....|s ........X.......|h x.x.x.x.x.x.x.x.",
            "k X.....x.........|s ........X.......|h x..x..x.x..x..x.|y X...............",
            "k X..x............|s ........X.....o.|h ..x...x...x...x.|c ........X.......",
            "k X.........xx....|s ........X.......|o ....x.......x...|h xx.xxx.xxx.xxx.x",
        )
    },
    bass={"4/4": ("R-------R-R-R---", "R---R-R-R-------", "RRR-R---R-R-RRRR", "R-----RRR-------", "R-R-R-R-RRRRR---")},
    comping={"4/4": ("x-..............", "x-....x-........", "..............x-")},
    feels={"growl": 0.7, "sparse": 0.3},
    fills=("break", "snare roll"),
    risers=0.8,
    energy_bias=0.7,
    human=0.5,
    sound=Sound(
        tilt=1.0, room=(0.5, 1.4), wet=0.1, duck=0.3, levels={"bass": 8.0, "drums": 4.0, "lead": -1.0}, punch=0.6
    ),
)

MINIMAL_TECHNO = Style(
    name="minimal techno",
    forms=("AAAA",),
    tempo=(122, 129),
    modes={"minor": 0.7, "dorian": 0.3},
    progressions={"minor": ("i i i i", "i5 i5 i5 i5"), "dorian": ("i i i i", "i7 i7 i7 i7")},
    moods={"calm": 0.3, "dark": 0.4, "dreamy": 0.3},
    leads={"FM bells": 0.34, "pluck synth": 0.22, "marimba": 0.24, "kalimba": 0.2},
    basses={"FM bass": 0.5, "sub bass": 0.5},
    keys={"synth stab": 1.0},
    pads={"drone pad": 1.0},
    kits={"808 drum machine": 0.7, "909 drum machine": 0.3},
    presence={"drums": 0.98, "pad": 0.15, "lead": 0.7, "bass": 0.95, "chords": 0.25},
    chord_bars=(2.0,),
    shapes={"full": 0.7, "late lead": 0.2, "late rhythm": 0.1},
    drums={
        "4/4": (
            "k x...x...x...x...|v ...x......x.....|r .......o.......x|h ..o...o...o...o.",
            "k x...x...x...x...|W ..x..x....x.....|h ......x.......x.|L ...o...o...o...o",
            "k x...x...x...x...|r ......x..x......|E .o.o.o.o.o.o.o.o|v ..............x.",
            "k x...x...x...x..o|V ...x..x......x..|h ..x...x...x...x.",
        )
    },
    bass={"4/4": ("...R......R.....", "......R..R......", "..R.......R..R..", "R.........R.....")},
    comping={"4/4": ("......x.........", "..x.............", "..........x.....")},
    melody_scale={"minor": "minor pentatonic", "dorian": "minor pentatonic"},
    feels={"blip": 1.0},
    fills=("none",),
    energy_bias=-0.6,
    human=0.3,
    sound=Sound(
        tilt=0.0, room=(0.2, 0.6), wet=0.06, levels={"drums": 5.0, "bass": 2.0, "lead": -3.0}, echo=0.35, echo_steps=3
    ),
)

TRANCE = Style(
    name="trance",
    forms=("AAAB",),
    tempo=(134, 142),
    modes={"minor": 0.9, "major": 0.1},
    progressions={
        "minor": ("i bVI bIII bVII", "i bVI bVII bVII", "bVI bVII i i", "i bVII iv bVI"),
        "major": ("vi IV I V", "I V vi IV"),
    },
    moods={"epic": 0.4, "dreamy": 0.4, "happy": 0.2},
    leads={"supersaw lead": 0.6, "pluck synth": 0.3, "synth voice": 0.1},
    basses={"analog bass": 1.0},
    keys={"supersaw chords": 0.65, "pluck synth": 0.35},
    pads={"analog pad": 0.4, "synth choir": 0.3, "string machine": 0.3},
    counters={"pluck synth": 1.0},
    kits={"909 drum machine": 1.0},
    presence={"drums": 0.95, "pad": 0.7, "counter": 0.5, "bass": 1.0, "chords": 0.95, "lead": 0.92},
    shapes=_BUILDS,
    drums={
        "4/4": (
            "k X...X...X...X...|o ..X...X...X...X.|c ....X.......X...|h xxxxxxxxxxxxxxxx",
            "k X...X...X...X...|o ..X...X...X...X.|s ....X.......X...|d x.x.x.x.x.x.x.x.",
            "k X...X...X...X...|o ..X...X...X...X.|c ....X.......X..x|h x.xxx.xxx.xxx.xx|m ..x...x...x...x.",
        )
    },
    bass={"4/4": (".RRR.RRR.RRR.RR8", "..RR..RR..RR..R8", "..R-..R-..R-..8-", ".R.R.R.R.R.R.R.8")},
    comping={"4/4": ("x.xxx.xxx.xx.xx.", "xx.xx.xxxx.xx.xx", "x--x--x---x--x--", "x---------------")},
    lines={"4/4": ("1232123212321232", "1357135713571357", "5.3.5.7.5.3.5.7.", "8765876587658765")},
    feels={"anthem": 0.8, "long": 0.2},
    fills=("snare roll", "hat roll"),
    risers=0.8,
    harmony=0.1,
    energy_bias=0.5,
    human=0.3,
    sound=Sound(
        tilt=2.5,
        room=(1.6, 2.8),
        wet=0.28,
        space="hall",
        duck=0.6,
        levels={"pad": 3.0, "counter": 5.0, "chords": 3.0, "drums": 1.5, "bass": 2.0},
        echo=0.42,
        echo_steps=3,
        sweep=0.3,
        echoed=("lead", "counter"),
    ),
)

TRAP = Style(
    name="trap",
    forms=("AAAB",),
    section_bars=4,
    tempo=(128, 156),
    modes={"minor": 0.6, "phrygian": 0.2, "harmonic minor": 0.2},
    progressions={
        "minor": ("i i bVI bVI", "i i bVI v", "i bVI i bVII"),
        "phrygian": ("i i bII bII", "i bII i i"),
        "harmonic minor": ("i i V V", "i i bVI V"),
    },
    moods={"dark": 0.5, "tense": 0.2, "epic": 0.12, "sad": 0.18},
    leads={
        "FM bells": 0.26,
        "flute": 0.16,
        "bright piano": 0.18,
        "pluck synth": 0.16,
        "music box": 0.12,
        "synth choir": 0.12,
    },
    basses={"808 sub bass": 1.0},
    keys={"bright piano": 0.3, "synth choir": 0.25, "FM bells": 0.2, "synth strings": 0.25},
    pads={"synth choir": 0.5, "drone pad": 0.5},
    kits={"trap drum machine": 1.0},
    presence={"drums": 0.97, "pad": 0.3, "bass": 1.0, "chords": 0.7},
    chord_bars=(1.0, 2.0),
    shapes=_BUILDS,
    drums={
        "4/4": (
            "k X.........x.....|c ........X.......|s ........X.......|h x.x.x.22x.x.x333",
            "k X.....x......x..|c ........X.......|h xxxx33x.xxxx22xx|o ......x.........",
            "k X..x......x.....|s ........X.......|c ........X......x|h x2x.x.x.33x.x.22",
            "k X.......x.x.....|c ........X.......|h 2222x.x.x.x.3.3.|r ...x.......x....",
        )
    },
    bass={"4/4": ("R---------R-----", "R-----R------R--", "R--R------8-----", "R-------R-R-..5-")},
    comping={"4/4": ("x---------------", "1---2---3---2---", "1-..3-..2-..3-..", "x-------........")},
    melody_scale={"minor": "minor pentatonic"},
    feels={"trap": 1.0},
    slide=0.3,
    fills=("none", "break", "hat roll"),
    risers=0.3,
    energy_bias=0.3,
    human=1.0,
    sound=Sound(
        tilt=-0.5, room=(0.9, 1.8), wet=0.14, levels={"bass": 8.0, "drums": 2.5, "chords": 0.0}, echo=0.2, punch=0.5
    ),
)

CLUB = (CHIPTUNE, DEEP_HOUSE, DUBSTEP, MINIMAL_TECHNO, TRANCE, TRAP)
