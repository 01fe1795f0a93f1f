"""Libraries that tell, when they are imported, what concerns only each other's authors are not heard."""

import logging

# Both speak up as soon as torchao is installed, whether or not it is used.
_ABOUT_EACH_OTHER = ("torch.utils._pytree", "diffusers.quantizers.torchao.torchao_quantizer")


def quiet() -> None:
    """To be called before diffusers or torchao is imported."""
    for name in _ABOUT_EACH_OTHER:
        logging.getLogger(name).setLevel(logging.ERROR)
