"""What the garbage collector looks at.

Python's collector looks at all objects again and again, and nothing else happens meanwhile: 80 ms for what an API has
loaded. It does so whenever enough objects have outlived a moment, as those of many requests under way do.
"""

import gc


def keep_what_is_loaded() -> None:
    """Have the collector never look at what is there by now: modules, models, routes live as long as the process.

    To be called once, when all is built. A child that is forked later shares these objects with its parent for longer,
    since the collector does not write to them.
    """
    gc.collect()
    gc.freeze()
