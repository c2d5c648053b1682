"""`python -m tests.storm [--minutes M] [--seed S]`: a long storm, its counts and its verdict."""

import argparse
import asyncio
import logging
import sys
import time

from tests.storm.vedirect import storm

parser = argparse.ArgumentParser(prog="python -m tests.storm")
parser.add_argument("--minutes", type=float, default=10.0, help="of the simulated clock")
parser.add_argument("--seed", type=int, default=int(time.time()))
arguments = parser.parse_args()
logging.disable(logging.CRITICAL)
print(f"six VE.Direct devices, {arguments.minutes:g} min, seed {arguments.seed}", flush=True)
report = asyncio.run(storm(arguments.minutes * 60, arguments.seed))
verdicts = report.verdicts
print(f"values judged {verdicts.judged}, not served {verdicts.missing}, wrong {len(verdicts.wrong)}")
print(f"writes {sum(verdicts.outcomes.values())}, confirmed {verdicts.confirmed}, lies {len(verdicts.lies)}")
print("outcomes", {outcome.word: count for outcome, count in sorted(verdicts.outcomes.items())})
print(f"plugs pulled {report.unplugged}")
for line in (*verdicts.wrong[:20], *verdicts.lies[:20]):
    print(" ", line)
sys.exit(1 if verdicts.wrong or verdicts.lies else 0)
