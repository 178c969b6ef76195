"""Build images with buildx bake, with caches that survive.

What builds is imported by the task that needs it: 30 ms that no other namespace has a use for.
"""

from invoke.collection import Collection

from goldi_tasks.tasks.build.builders import binfmt, builder
from goldi_tasks.tasks.build.images import dev, devcontainer, every, prod, push, target, tools
from goldi_tasks.tasks.build.look import bench_, history, list_, print_, shell, size

_IMAGES = (prod, dev, tools, devcontainer, every, target, push)
ns = Collection("build", *_IMAGES, shell, list_, print_, builder, binfmt, history, size, bench_)
