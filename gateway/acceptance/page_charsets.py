"""Maps the character sets that a web page may name to Python's codecs, by the WHATWG's Encoding standard (pure).

The name is a stranger's, and Python has codecs that are no character sets, raise whatever they are given or take time with
the square of the page (`punycode`, `idna`, `undefined`): one that is not listed is UTF-8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_LABELS: Final[Mapping[str, str]] = {
    "cp866": "866 cp866 csibm866 ibm866",
    "iso8859-2": "csisolatin2 isoir101 iso88592 l2 latin2",
    "iso8859-3": "csisolatin3 isoir109 iso88593 l3 latin3",
    "iso8859-4": "csisolatin4 isoir110 iso88594 l4 latin4",
    "iso8859-5": "csisolatincyrillic cyrillic isoir144 iso88595",
    "iso8859-6": "arabic asmo708 csiso88596e csiso88596i csisolatinarabic ecma114 iso88596 iso88596e iso88596i isoir127",
    "iso8859-7": "csisolatingreek ecma118 elot928 greek greek8 iso88597 isoir126 suneugreek",
    "iso8859-8": "csiso88598e csiso88598i csisolatinhebrew hebrew iso88598 iso88598e iso88598i isoir138 logical visual",
    "iso8859-10": "csisolatin6 isoir157 iso885910 l6 latin6",
    "iso8859-13": "iso885913",
    "iso8859-14": "iso885914",
    "iso8859-15": "csisolatin9 iso885915 l9",
    "iso8859-16": "iso885916",
    "koi8-r": "cskoi8r koi koi8 koi8r",
    "koi8-u": "koi8ru koi8u",
    "mac-roman": "csmacintosh mac macintosh xmacroman",
    "mac-cyrillic": "xmaccyrillic xmacukrainian",
    "cp874": "dos874 iso885911 tis620 windows874",
    "cp1250": "cp1250 windows1250 xcp1250",
    "cp1251": "cp1251 windows1251 xcp1251",
    "cp1252": "ansix341968 ascii cp1252 cp819 csisolatin1 ibm819 iso88591 isoir100 l1 latin1 usascii windows1252 xcp1252",
    "cp1253": "cp1253 windows1253 xcp1253",
    "cp1254": "cp1254 csisolatin5 iso88599 isoir148 l5 latin5 windows1254 xcp1254",
    "cp1255": "cp1255 windows1255 xcp1255",
    "cp1256": "cp1256 windows1256 xcp1256",
    "cp1257": "cp1257 windows1257 xcp1257",
    "cp1258": "cp1258 windows1258 xcp1258",
    "gb18030": "chinese csgb2312 csiso58gb231280 gb18030 gb2312 gb231280 gbk isoir58 xgbk",
    "big5hkscs": "big5 big5hkscs cnbig5 csbig5 xxbig5",
    "euc_jp": "cseucpkdfmtjapanese eucjp xeucjp",
    "iso2022_jp": "csiso2022jp iso2022jp",
    "cp932": "csshiftjis ms932 mskanji shiftjis sjis windows31j xsjis",
    "cp949": "cseuckr csksc56011987 euckr isoir149 korean ksc5601 ksc56011987 ksc56011989 windows949",
    "utf-16-le": "csunicode iso10646ucs2 ucs2 unicode unicodefeff utf16 utf16le",
    "utf-16-be": "unicodefffe utf16be",
}  # fmt: skip
"""Labels of each codec but UTF-8, in lower case and without dashes, dots and underscores."""

_CODECS: Final = {label: codec for codec, labels in _LABELS.items() for label in labels.split()}
_SEPARATORS: Final = str.maketrans("", "", "-_.")


def codec_of(label: str) -> str:
    """Python's name of the character set with this label; UTF-8 for any other."""
    return _CODECS.get(label.lower().translate(_SEPARATORS), "utf-8")
