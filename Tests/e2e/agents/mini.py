"""Runs mini-swe-agent on a task, once for each base URL, and prints its conversations as JSON.

mini.py FOLDER BASE_URL …        commands run in FOLDER, which is emptied before each run
"""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

os.environ |= {
    "MSWEA_SILENT_STARTUP": "1",
    "MSWEA_GLOBAL_CONFIG_DIR": sys.argv[1],  # instead of the user's own
    "MSWEA_COST_TRACKING": "ignore_errors",
    "MSWEA_MODEL_RETRY_STOP_AFTER_ATTEMPT": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # instead of one from the network
}

import yaml
from minisweagent.agents.default import DefaultAgent
from minisweagent.config import builtin_config_dir
from minisweagent.environments.local import LocalEnvironment
from minisweagent.models.litellm_model import LitellmModel

# The model calls its tool if the user's message ends in "[mini]", and ends the task after the tool's output. With the
# same mark in the first output, it replies without a call; the agent then rejects that reply, and the model continues.
TASK = "Please solve this issue: the build is broken [mini]"
OUTPUT = "{{ output.output }}{% if n_model_calls == 1 %} [mini]{% endif %}"
COMPLAINT = "{{ error }} Use the bash tool. [mini]"


def run(folder: Path, base_url: str) -> dict[str, Any]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    config = yaml.safe_load((builtin_config_dir / "mini.yaml").read_text())
    config["model"] |= {"observation_template": OUTPUT, "format_error_template": COMPLAINT}
    config["model"]["model_kwargs"] |= {
        "api_base": base_url,
        "api_key": "sk-e2e",
        "temperature": 0,
        "seed": 7,
        "max_tokens": 200,
        "extra_body": {"cache_prompt": False},
    }
    agent = DefaultAgent(
        LitellmModel(model_name="openai/tiny/tiny-1", **config["model"]),
        LocalEnvironment(cwd=str(folder), timeout=10),
        system_template=config["agent"]["system_template"],
        instance_template=TASK,
        step_limit=8,
    )
    ended = agent.run()
    return {"ended": ended, "calls": agent.n_calls, "messages": agent.messages}


folder = Path(sys.argv[1])
print(json.dumps([run(folder / "work", base_url) for base_url in sys.argv[2:]]))
