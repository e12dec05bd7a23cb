"""The one error of everything that reads bytes from outside."""


class BitstreamError(ValueError):
    """The bytes are not a stream that this reader can decode.

    They are foreign, damaged, truncated, of a newer format, or made with another model; the message
    says which. Bad arguments of a caller are a plain `ValueError` instead.
    """
