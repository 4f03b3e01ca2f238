"""What an engine's own page says of its load, read here by other means than the
gateway's: a signal that the page does not have is None."""
import re

GAUGES = ("running", "waiting", "kv_usage", "kv_capacity_tokens")
COUNTERS = ("prompt_tokens", "generation_tokens", "prefix_hits", "prefix_queries")

# Families that are added up. llama-server does not count cached tokens of a prompt as its tokens.
FAMILIES = {
    "vllm": {"running": ["vllm:num_requests_running"], "waiting": ["vllm:num_requests_waiting"],
             "kv_usage": ["vllm:kv_cache_usage_perc"], "prompt_tokens": ["vllm:prompt_tokens_total"],
             "generation_tokens": ["vllm:generation_tokens_total"],
             "prefix_hits": ["vllm:prefix_cache_hits_total"],
             "prefix_queries": ["vllm:prefix_cache_queries_total"]},
    "llamacpp": {"running": ["llamacpp:requests_processing"], "waiting": ["llamacpp:requests_deferred"],
                 "prompt_tokens": ["llamacpp:prompt_tokens_total"],
                 "generation_tokens": ["llamacpp:tokens_predicted_total"],
                 "prefix_hits": ["llamacpp:prompt_tokens_cached_total"],
                 "prefix_queries": ["llamacpp:prompt_tokens_cached_total", "llamacpp:prompt_tokens_total"]},
}


def of_page(kind, engine):
    said = dict.fromkeys((*GAUGES, *COUNTERS))
    if kind not in FAMILIES:
        return said
    page = engine.page()
    for signal, families in FAMILIES[kind].items():
        names = "|".join(map(re.escape, families))
        samples = re.findall(rf"^(?:{names})(?:{{.*}})? (\S+)$", page, re.M)
        if samples:
            said[signal] = sum(map(float, samples))
    if blocks := re.search(r"^vllm:cache_config_info\{(.*)\}", page, re.M):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', blocks[1]))
        said["kv_capacity_tokens"] = float(labels["block_size"]) * float(labels["num_gpu_blocks"])
    return said
