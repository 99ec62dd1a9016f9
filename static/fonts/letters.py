"""Make the fonts out of whose text a name comes as it was typed; README.md says why.

    python static/fonts/letters.py DIR

DIR has the four originals of which they are made. A letter with its mark, or a ligature, gets other glyphs, and is printed
as it was.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from fontTools.otlLib.builder import buildCoverage
from fontTools.ttLib import TTFont
from fontTools.ttLib.tables import otTables
from fontTools.ttLib.tables._g_l_y_f import Glyph, GlyphComponent

HERE = Path(__file__).resolve().parent
WIDTHS_OF_MARKS = {3: 50, 2: 70, 1: 120}
"""Of the empty glyph of each of so many marks on a letter, in thousandths of the size: they must fit into the narrowest
letter, and poppler orders by place what stands further apart than nothing."""
WIDTH_OF_NONJOINER = 10

ARABIC_LETTERS = (
    "".join(map(chr, [*range(0x621, 0x63B), *range(0x640, 0x64B)]))
    + "\u0671\u0679\u067e\u0686\u0688\u0691\u0698\u06a4\u06a9\u06af\u06ba\u06be\u06c1\u06cc\u06d2"
)
ARABIC_MARKS = "\u064b\u064c\u064d\u064e\u064f\u0650\u0651\u0652\u0654\u0670"
DEVANAGARI_MARKS = "\u0900\u0901\u0902\u0945\u0946\u0947\u0948", "\u0941\u0942\u0943\u0944"
HEBREW_LETTERS = "".join(map(chr, [*range(0x5D0, 0x5EB), *range(0x5F0, 0x5F3)]))
HEBREW_MARKS = (
    "\u05b0\u05b1\u05b2\u05b3\u05b4\u05b5\u05b6\u05b7\u05b8\u05b9\u05bb\u05c7",
    "\u05bc\u05bf",
    "\u05c1\u05c2",
)
LATIN_LETTERS = (
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyzÆæØøŁłĐđĦħŊŋŒœßÞþÐðıȷ"
    "ƁɓƊɗƎǝƏəƆɔƐɛƉɖƑƒƔɣƘƙƝɲƱʊƲʋƳƴẠạḄḅḌḍẸẹḤḥỊịḲḳḶḷṂṃṆṇỌọṚṛṢṣṬṭỤụẒẓĄąĘęĮįŲųǪǫĀāĒēĪīŌōŪūÄäÖöÜü"
)
LATIN_MARKS = "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0323\u0327\u0328\u0331"
CYRILLIC_LETTERS = "".join(map(chr, range(0x400, 0x460)))
CYRILLIC_MARKS = "\u0300\u0301\u0304\u0306\u0308\u030b\u030c"


class Font:
    """A TrueType font to which glyphs and lookups are added."""

    def __init__(self, path: Path) -> None:
        self.font = TTFont(path, recalcTimestamp=False)
        self.features = self.font["GSUB"].table.FeatureList.FeatureRecord
        self.substitutions = self.font["GSUB"].table.LookupList.Lookup
        self.positions = self.font["GPOS"].table.LookupList.Lookup
        self.cmap = self.font.getBestCmap()
        self.order = list(self.font.getGlyphOrder())
        self.classes = self.font["GDEF"].table.GlyphClassDef.classDefs
        self.every_mark = [name for name, kind in self.classes.items() if kind == 3]
        tables = [table for one in self.positions if one.LookupType == 4 for table in one.SubTable]
        self.marks = [(table, _by_name(table.MarkCoverage, table.MarkArray.MarkRecord)) for table in tables]
        self.anchors = [_by_name(table.BaseCoverage, table.BaseArray.BaseRecord) for table in tables]

    def named(self, letters: str) -> list[str]:
        """Glyphs of some characters."""
        return [self.cmap[ord(one)] for one in letters]

    def add_glyph(self, name: str, parts: Sequence[tuple[str, int, int]], width: int) -> None:
        """A letter, printed as other glyphs at places relative to its own."""
        glyph, table = Glyph(), self.font["glyf"]
        glyph.numberOfContours = -1 if parts else 0
        if parts:
            glyph.components = [one for part in parts for one in self._flat(*part)]
        table.glyphs[name] = glyph
        self.order.append(name)
        glyph.recalcBounds(table)
        self.font["hmtx"][name] = (width, getattr(glyph, "xMin", 0))
        self.classes[name] = 1

    def _flat(self, name: str, x: int, y: int) -> list[GlyphComponent]:
        glyph = self.font["glyf"][name]
        if glyph.isComposite() and all(not hasattr(one, "transform") for one in glyph.components):
            return [flat for one in glyph.components for flat in self._flat(one.glyphName, x + one.x, y + one.y)]
        if not glyph.numberOfContours:
            return []
        component = GlyphComponent()
        component.glyphName, component.x, component.y, component.flags = name, x, y, 0x0004  # Rounded to the grid.
        return [component]

    def add_lookup(self, kind: int, subtables: list[Any]) -> int:
        """Number of a new lookup."""
        lookup = otTables.Lookup()
        lookup.LookupType, lookup.LookupFlag, lookup.SubTable = kind, 0, subtables
        self.substitutions.append(lookup)
        return len(self.substitutions) - 1

    def singly(self, mapping: dict[str, str]) -> int:
        """Number of a new lookup that puts one glyph in the place of one other."""
        table = otTables.SingleSubst()
        table.mapping = mapping
        return self.add_lookup(1, [table])

    def rule(self, sequence: Sequence[Iterable[str]], lookups: Sequence[int]) -> Any:
        """Applies a lookup to each glyph of a sequence. Without lookups the sequence is left as it is by later rules, too."""
        table, numbers = otTables.ChainContextSubst(), {name: number for number, name in enumerate(self.order)}
        table.Format, table.BacktrackCoverage, table.LookAheadCoverage = 3, [], []
        table.InputCoverage = [buildCoverage(set(glyphs), numbers) for glyphs in sequence]
        table.SubstLookupRecord = []
        for place, lookup in enumerate(lookups):
            record = otTables.SubstLookupRecord()
            record.SequenceIndex, record.LookupListIndex = place, lookup
            table.SubstLookupRecord.append(record)
        return table

    def switch_on(self, feature: str, lookups: list[int]) -> None:
        """Give lookups to a feature, in every language. Those with higher numbers come later."""
        for record in self.features:
            if record.FeatureTag == feature:
                record.Feature.LookupListIndex = [*dict.fromkeys([*record.Feature.LookupListIndex, *lookups])]

    def switch_off(self, feature: str, lookup: int) -> None:
        for record in self.features:
            if record.FeatureTag == feature:
                record.Feature.LookupListIndex = [one for one in record.Feature.LookupListIndex if one != lookup]

    def widen(self, coverages: Iterable[Any], more: Mapping[str, str]) -> None:
        """What is said of a glyph is said of another, too."""
        for coverage in coverages:
            named = {*coverage.glyphs, *(new for old, new in more.items() if old in coverage.glyphs)}
            coverage.glyphs = sorted(named, key=self.order.index)

    def places(self, letter: str, marks: Sequence[str]) -> list[tuple[int, int]]:
        """Where the glyphs of marks stand over that of their letter; nothing where the font does not say it of all."""
        found = [place for mark in marks for place in self._place(letter, mark)]
        return found if len(found) == len(marks) else []

    def _place(self, letter: str, mark: str) -> Iterator[tuple[int, int]]:
        for (_, marks), letters in zip(self.marks, self.anchors, strict=True):
            if mark in marks and letter in letters:
                own, anchor = marks[mark].MarkAnchor, letters[letter].BaseAnchor[marks[mark].Class]
                if anchor is not None:
                    yield anchor.XCoordinate - own.XCoordinate, anchor.YCoordinate - own.YCoordinate
                    return

    def save(self, path: Path) -> None:
        self.font.setGlyphOrder(self.order)
        self.font["glyf"].glyphOrder = self.order
        for (table, _), letters in zip(self.marks, self.anchors, strict=True):
            table.BaseCoverage.glyphs = sorted(letters, key=self.order.index)
            table.BaseArray.BaseRecord = [letters[name] for name in table.BaseCoverage.glyphs]
        for name in self.font["name"].names:
            if name.nameID == 5:
                name.string = f"{name.toUnicode()}; changed for Zbor"
        self.font["post"].formatType = 3.0  # Without names of glyphs: a fifth of the file.
        self.font.save(path)


def _by_name(coverage: Any, records: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(coverage.glyphs, records, strict=True))


def _base_record(anchors: Sequence[Any], x: int) -> Any:
    record = otTables.BaseRecord()
    record.BaseAnchor = []
    for anchor in anchors:
        moved = otTables.Anchor() if anchor else None
        if moved:
            moved.Format, moved.XCoordinate, moved.YCoordinate = 1, anchor.XCoordinate + x, anchor.YCoordinate
        record.BaseAnchor.append(moved)
    return record


def main() -> None:
    originals = Path(sys.argv[1])
    for name, change in (("Arabic", arabic), ("Hebrew", hebrew), ("Devanagari", devanagari), ("", latin)):
        font = Font(originals / f"NotoSans{name}-Regular.ttf")
        change(font)
        font.save(HERE / f"NotoSans{name}-Regular.ttf")


def arabic(font: Font) -> None:
    """Each letter of a ligature, each mark, and the sign that keeps two letters unjoined, have glyphs of their own."""
    split_ligatures(font)
    lookups = font.substitutions
    forms = set(font.named(ARABIC_LETTERS))
    for record in font.features:
        if record.FeatureTag in ("init", "medi", "fina"):
            for number in record.Feature.LookupListIndex:
                for table in lookups[number].SubTable:
                    forms |= {table.mapping[one] for one in forms if one in table.mapping}
    forms |= {name for name in font.order if ".letter" in name}  # Of ligatures.
    # Two marks that are printed as one glyph have to come as two, and are joined only where no rule was for them.
    [joined] = [one for one in lookups if one.LookupType == 4 and "uni0651" in one.SubTable[0].ligatures]
    font.switch_off("ccmp", lookups.index(joined))
    marks = font.named(ARABIC_MARKS)
    pairs: dict[tuple[str, ...], tuple[str, ...]] = {
        (first, *one.Component): (one.LigGlyph,)
        for first, ones in joined.SubTable[0].ligatures.items()
        for one in ones
        if first in marks and one.Component[0] in marks
    }
    rules = keep_marks(font, forms, pairs | {(mark,): (mark,) for mark in marks})
    # Who draws leaves this sign out, except when another glyph was put in its place.
    font.add_glyph("nonjoiner.apart", [], WIDTH_OF_NONJOINER)
    nonjoiner = font.singly({font.cmap[0x200C]: "nonjoiner.apart"})
    font.switch_on("rlig", [rules, font.add_lookup(4, joined.SubTable), nonjoiner])


def split_ligatures(font: Font) -> None:
    """The first letter of a ligature is printed as all of it, the others as nothing, and its width is theirs together."""
    lookups = font.substitutions
    [numbers] = [one.Feature.LookupListIndex for one in font.features if one.FeatureTag == "rlig"]
    allah, lam_alef = sorted(set(numbers))
    font.switch_off("rlig", allah)  # Only with marks in it; printed as its letters.
    components = {
        name: attached.ComponentRecord
        for one in font.positions
        if one.LookupType == 5
        for table in one.SubTable
        for name, attached in zip(table.LigatureCoverage.glyphs, table.LigatureArray.LigatureAttach, strict=True)
    }
    rules, firsts, lasts = list[Any](), dict[str, str](), dict[str, str]()
    ligatures = [
        ([first, *one.Component], one.LigGlyph)
        for table in lookups[lam_alef].SubTable
        for first, ones in table.ligatures.items()
        for one in ones
    ]
    for letters, ligature in sorted(ligatures, key=lambda one: -len(one[0])):
        if len(components[ligature]) < len(letters):
            continue  # A ligature of Uyghur, printed as its letters: the font does not say where their marks stand.
        width = font.font["hmtx"][ligature][0]
        step = width // len(letters)
        parts = [f"{ligature}.letter{number}" for number in range(1, len(letters) + 1)]
        for place, part in enumerate(parts):
            left = step * (len(letters) - 1 - place)  # The first letter stands on the right.
            font.add_glyph(part, [] if place else [(ligature, -left, 0)], step if place else width - left)
            places = components[ligature][place].LigatureAnchor
            if part == parts[-1]:  # What is over or under it counts as a part of its own.
                places = [
                    own or common for own, common in zip(components[ligature][-1].LigatureAnchor, places, strict=True)
                ]
            font.anchors[0][part] = _base_record(places, -left)
        singles = [font.singly({letter: part}) for letter, part in zip(letters, parts, strict=True)]
        rules.append(font.rule([[letter] for letter in letters], singles))
        firsts[ligature], lasts[ligature] = parts[0], parts[-1]
    lookups[lam_alef].LookupType, lookups[lam_alef].SubTable = 6, rules
    # What else the font says of a letter before or after a ligature, it has to say of the ligature's letters.
    for one in [*lookups, *font.positions]:
        for table in one.SubTable:
            if one.LookupType in (6, 8) and table.Format == 3 and table not in rules:
                font.widen(table.BacktrackCoverage, lasts)
                font.widen(table.InputCoverage if one.LookupType == 8 else [], firsts)
            elif type(table) is otTables.SinglePos and table.Format == 1:
                font.widen([table.Coverage], firsts)


def keep_marks(font: Font, letters: Iterable[str], marks: Mapping[tuple[str, ...], tuple[str, ...]]) -> int:
    """Number of a new lookup after which a letter is printed with its marks, and each mark as nothing.

    `marks` has the glyphs of marks as they come after a letter, and those with which they are printed.
    """
    letters, rules = sorted(letters, key=font.order.index), list[Any]()
    for count, width in WIDTHS_OF_MARKS.items():
        of_this_count = {typed: printed for typed, printed in marks.items() if len(typed) == count}
        if not of_this_count:
            continue
        apart = {mark: f"{mark}.apart{count}" for mark in sorted({mark for typed in of_this_count for mark in typed})}
        for name in apart.values():
            font.add_glyph(name, [], width)
        take_apart = font.singly(apart)
        # A letter with more marks than there are rules for is left to the font: one of them would hang in the air.
        rules.append(font.rule([letters, *[font.every_mark] * (count + 1)], []))
        for typed, printed in of_this_count.items():
            with_marks = {}
            for letter in letters:
                if not (places := font.places(letter, printed)):
                    continue
                with_marks[letter] = name = ".".join([letter, *printed, str(count)])
                if name not in font.classes:
                    left = -width * count
                    parts = [(mark, left + x, y) for mark, (x, y) in zip(printed, places, strict=True)]
                    font.add_glyph(name, [(letter, left, 0), *parts], font.font["hmtx"][letter][0] + left)
            lookups = [font.singly(with_marks), *[take_apart] * count]
            rules.append(font.rule([with_marks, *([mark] for mark in typed)], lookups))
    return font.add_lookup(6, rules)


def hebrew(font: Font) -> None:
    """Each point has a glyph of its own. Points come in the order of Unicode's NFC: vowel, dagesh, dot of the shin."""
    letters = font.named(HEBREW_LETTERS)
    vowels, dagesh, shin_dots = map(font.named, HEBREW_MARKS)
    marks: list[tuple[str, ...]] = [(one,) for one in vowels + dagesh + shin_dots]
    marks += [*product(vowels, dagesh + shin_dots), *product(dagesh, shin_dots), *product(vowels, dagesh, shin_dots)]
    font.switch_on("ccmp", [keep_marks(font, letters, {one: one for one in marks})])


def latin(font: Font) -> None:
    """A letter and its mark are one glyph."""
    pairs = [*product(LATIN_LETTERS, LATIN_MARKS), *product(CYRILLIC_LETTERS, CYRILLIC_MARKS)]
    uncomposed = [pair for pair in map("".join, pairs) if len(unicodedata.normalize("NFC", pair)) == 2]
    font.switch_on("ccmp", [join_marks(font, map(font.named, uncomposed))])


def devanagari(font: Font) -> None:
    """A letter that reaches to the right of its stem and its vowel are one glyph."""
    above, below = map(font.named, DEVANAGARI_MARKS)
    wide = [
        name
        for name in dict.fromkeys(name for letters in font.anchors for name in letters)
        if any(font.font["hmtx"][name][0] - x > 80 for one in below for x, _ in font.places(name, [one]))
    ]
    marks = [*product(above), *product(below), *product(below, above)]
    font.switch_on("psts", [join_marks(font, [[name, *those] for name in wide for those in marks])])


def join_marks(font: Font, sequences: Iterable[Sequence[str]]) -> int:
    """Number of a new lookup after which a letter and its marks are one glyph."""
    rules = list[Any]()
    ligatures: dict[int, dict[str, list[Any]]] = {2: {}, 1: {}}
    for letter, *marks in sequences:
        if not (places := font.places(letter, marks)):
            continue
        name = ".".join([letter, *marks])
        parts = [(mark, *place) for mark, place in zip(marks, places, strict=True)]
        font.add_glyph(name, [(letter, 0, 0), *parts], font.font["hmtx"][letter][0])
        ligature = otTables.Ligature()
        ligature.Component, ligature.LigGlyph = marks, name
        ligatures[len(marks)].setdefault(letter, []).append(ligature)
    for count, joined in ligatures.items():
        if joined:
            table = otTables.LigatureSubst()
            table.ligatures = joined
            each = [{one.Component[place] for ones in joined.values() for one in ones} for place in range(count)]
            rules.append(font.rule([joined, *each, font.every_mark], []))
            rules.append(font.rule([joined, *each], [font.add_lookup(4, [table])]))
    return font.add_lookup(6, rules)


if __name__ == "__main__":
    main()
