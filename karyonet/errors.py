"""Coded errors: what is wrong and what to do about it, in one sentence each.

Codes are grouped by who can mend them: K1xx the images given, K2xx the configuration, K3xx the weight files,
K4xx a data set given for training or evaluation, K5xx arrays handed to a library call, K6xx a karyotype in ISCN,
K7xx the edits of a finished case, K9xx the program itself.
"""

from __future__ import annotations

MESSAGES: dict[str, str] = {
    # K1xx: images
    "K101": "{path} does not exist; check the spelling of the path",
    "K102": "{path} is empty (0 bytes); export the image again",
    "K103": "{path} is not an image in a supported format; give PNG, JPEG, WebP, BMP, TIFF, JPEG 2000 or DICOM",
    "K104": "{path} is damaged or cut short ({reason}); export the image again",
    "K105": "{path} has {pixels} pixels, more than the limit of {limit}; crop it or raise reading.max_pixels",
    "K106": "{path} has {size} bytes, more than the limit of {limit}; crop it or raise reading.max_bytes",
    "K107": "{path} has {pages} pages, more than the limit of {limit}; split it or raise reading.max_pages",
    "K108": "{path} has a width or height of zero; export the image again",
    "K109": "{path} is a directory without images; give images or a folder that holds the images of one case",
    "K110": "{path} needs the {extra} extra; install it with: pip install 'karyonet[{extra}]'",
    "K111": "{path} stores its pixels in a way that is not supported ({reason}); save it as 8- or 16-bit grey or RGB",
    "K112": "none of the {count} images could be read; the first one says: {reason}",
    "K113": "no image was given; name at least one image, or a folder that holds the images of one case",
    "K114": "{path} is not a report of karyonet ({reason}); run karyonet on the images again",
    # K12x: images that can be read but hold nothing to karyotype (reasons of an undetermined metaphase)
    "K121": "the image has no contrast (every pixel has the same grey value); take the image again",
    "K122": "no chromosome was found in the image; check focus and contrast, or leave this image out",
    "K123": "the image does not look like a metaphase ({reason}); leave this image out",
    "K124": "the metaphase cannot be read (quality {score}: {flags}); leave it out or lower stages.quality.least_score",
    "K125": "{path} shows no chromosome ({reason}); give a picture of one chromosome with some background around it",
    "K126": "{path} shows {count} objects of similar size; cut out one chromosome, or erase the others",
    "K127": "{report} has no chromosome {chromosome}; name one of {known}",
    "K128": "the image {image} of {report} cannot be found unchanged; name the image file as an argument",
    # K2xx: configuration
    "K201": "there is no configuration {name}; give a YAML file or one of: {known}",
    "K202": "{source} is not valid YAML ({reason}); mend the line that is named",
    "K203": "{source}: {key}: {reason}",
    "K204": "stage {stage} uses {use}, which is not installed; choose one of: {known}",
    "K205": "stage {stage} needs {field}, which no earlier stage assigns; put one of these before it: {candidates}",
    "K206": "--set takes KEY=VALUE with a dotted key, for example stages.classification.review_margin=0.3, not {text}",
    "K207": "stage {stage} names {field} in its contract, which is no field of a case; the nearest is {nearest}",
    "K208": "stage {use} cannot be loaded ({reason}); reinstall the package that provides it",
    "K209": "{path} already exists and is not a folder; give another --out",
    "K210": "{path} holds {entry}, which is no part of a karyonet report; give another --out, or empty the folder",
    "K211": "a PDF cannot be written on this computer ({reason}); install Pango, or leave out --pdf",
    "K213": "{path} cannot be written ({reason}); give another path",
    "K214": "{path} holds a report that a person has edited; give another --out, or move it away",
    "K215": "stage {stage} uses {use}, which cannot show what decided; set stages.{stage}.use to one of: {known}",
    # K3xx: weight files
    "K301": "there are no weights {name} for stage {stage}; give a .safetensors file or one of: {known}",
    "K302": "{path} has checksum {actual}, its model card says {expected}; fetch or export the file again",
    "K303": "{path} has no model card {card} beside it; copy the card that was written with the weights",
    "K304": "{path} does not fit the model ({reason}); use weights that were trained for stage {stage}",
    "K305": "{path} is not a readable safetensors file ({reason}); fetch or export the file again",
    "K306": "the model card {path} is not valid ({reason}); fetch or export the weights again",
    # K4xx: data sets
    "K401": "{path} is not a data set of format {format}: {missing} is missing; see the README for the layout",
    "K402": "{path}, line {line}: {reason}",
    "K403": "{path} has no split named {split}; it has: {known}",
    "K404": "{path}: the image {image} named in {table} is missing; put it there or remove the row",
    "K405": "{path} has too few examples to train ({reason}); add examples or name fewer classes",
    "K406": "{path} is not a checkpoint of this recipe ({reason}); remove it or give another --run",
    "K407": "format {format} cannot be used to evaluate {stage}; use one of: {known}",
    "K408": "{path} does not look like a karyogram ({reason}); give the picture of one whole karyogram",
    "K409": '{path}: {slot}: {reason}; name the slots row by row with --layout "1 2 3 4 5/6 7 8 9 10 11 12/…"',
    "K410": "--layout {layout}: {reason}; write 1–22, X and Y once each, blanks between slots, / between rows",
    "K411": "{path} has a cell named {cell} already; remove it there, rename the picture, or give another --out",
    "K412": "{path} is an index of other {what}; give another --index, or remove it and it is made anew",
    "K413": "{path} has no chromosome that could be embedded ({reason}); give labelled chromosomes to compare with",
    "K414": "{path} cannot be evaluated ({reason}); give more metaphases a case, fewer to a bag, or other bags",
    "K415": "--truth lists components of metaphases, not of format {format}; leave it out or give --format metaphases",
    # K5xx: library calls
    "K501": "{what} must be {expected}, not {actual}",
    "K502": "the mask is empty; give a mask with at least one pixel",
    "K503": "metaphase {metaphase} has {count} of chromosome {chromosome}; give both homologs or leave it out",
    "K504": "a bag holds chromosomes of one type, not of {types}; make one bag for each type",
    # K6xx: karyotypes written in ISCN
    "K601": "{where}{expected} expected, not {found}; for example {example}",
    "K602": "{where}{reason}; for example {example}",
    "K603": "the karyotype has {length} characters, more than the limit of {limit}; give one karyotype at a time",
    "K604": "the karyotype is empty; give one, for example 47,XY,+21",
    "K605": "{karyotype} does not agree with itself: {reason}",
    "K606": "{karyotype} cannot be drawn: {reason}",
    # K7xx: edits of a finished case
    "K701": "{source}, {place}: {reason}",
    "K702": "{path}: {reason}; nothing was applied, since the history can no longer be trusted; restore the report",
    "K703": "{path} was made with {reason}; give the --config and --set that it was made with, or run karyonet again",
    "K704": "the image {image} of metaphase {metaphase} is not in {places}; name its folder with --images",
    "K705": "{path} is not the image that metaphase {metaphase} was read from (another checksum); give the original",
    # K9xx: faults of the program
    "K901": "stage {stage} failed on {image} ({reason}); this is a fault of karyonet, please report it",
}


class KaryonetError(Exception):
    """An error that a person can act on.

    Args:
        code: key of :data:`MESSAGES`, for example ``"K101"``.
        **details: the values that the message names.

    Attributes:
        code: the code, stable between versions.
        message: one sentence, without the code.
    """

    def __init__(self, code: str, **details: object) -> None:
        self.code = code
        self.message = MESSAGES[code].format(**details)
        super().__init__(f"{code}: {self.message}.")

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self.code, self.message)


class InputError(KaryonetError):
    """An image that cannot be used (K1xx)."""


class ConfigError(KaryonetError):
    """A configuration that cannot be used (K2xx)."""


class WeightsError(KaryonetError):
    """A weight file that cannot be used (K3xx)."""


class DataError(KaryonetError):
    """A data set that cannot be used (K4xx)."""


class ArrayError(KaryonetError, ValueError):
    """An array of the wrong shape, type or content handed to a library call (K5xx)."""


class IscnError(KaryonetError, ValueError):
    """A karyotype that cannot be read or does not agree with itself (K6xx).

    Attributes:
        text: the karyotype; empty where a tree was built without one.
        column: the character at fault, counted from 1; None where no single one is.
    """

    def __init__(self, code: str, text: str = "", column: int | None = None, **details: object) -> None:
        super().__init__(code, where="" if column is None else f"column {column}: ", **details)
        self.text, self.column, self._details = text, column, details
        if text and column is not None:
            start = max(0, column - 60)
            self.args = (f"{self.args[0]}\n    {text[start : column + 20]}\n    {'^':>{column - start}}",)

    def at(self, text: str, column: int) -> IscnError:
        """The same error, pointing at a character of a string."""
        return IscnError(self.code, text, column, **self._details)

    def __reduce__(self) -> tuple[object, ...]:
        return _restore_iscn, (self.code, self.text, self.column, self._details)


class EditError(KaryonetError):
    """Edits that cannot be applied to a finished case (K7xx); nothing was written."""


class StageError(KaryonetError):
    """A fault inside a stage (K9xx)."""


def _restore(kind: type[KaryonetError], code: str, message: str) -> KaryonetError:
    error = kind.__new__(kind)
    Exception.__init__(error, f"{code}: {message}.")
    error.code, error.message = code, message
    return error


def _restore_iscn(code: str, text: str, column: int | None, details: dict[str, object]) -> IscnError:
    return IscnError(code, text, column, **details)
