"""What CI runs, and what a developer runs of it all day."""

from invoke.collection import Collection

from goldi_tasks.tasks.ci import carry
from goldi_tasks.tasks.ci.sessions import format_, lint, list_, precommit, session_, tests, tools, typecheck
from goldi_tasks.tasks.ci.whole import bench_, check, matrix

ns = Collection("ci", check, lint, format_, typecheck, tests, precommit, session_, list_, tools, bench_, matrix)
for task in (carry.key, carry.restore, carry.save):
    ns.add_task(task)
