"""The caches: make, look, mend, make smaller, carry elsewhere."""

from invoke.collection import Collection

from goldi_tasks.tasks.cache.carry import key, restore, save
from goldi_tasks.tasks.cache.change import clear, prune, setup
from goldi_tasks.tasks.cache.look import bench_, doctor, status, verify

ns = Collection("cache", setup, status, verify, doctor, clear, prune, save, restore, key, bench_)
