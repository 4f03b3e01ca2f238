#!/usr/bin/env python3
"""tiny_gguf.py MODEL FILE: the tiny model again, as llama.cpp reads it.

MODEL is a folder that tiny_model.py made. The weights are the same; llama.cpp
keeps the two halves of a rotated pair side by side, so the rows of the query and
key projections of each head change their order.
"""
import json
import os
import sys

import gguf
import numpy
from safetensors.numpy import load_file

NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
         "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
         "post_attention_layernorm": "ffn_norm"}
OUTSIDE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def read(model, name):
    with open(os.path.join(model, name), encoding="utf-8") as f:
        return json.load(f)


def pairs_together(rows, heads):
    """Rows 0..n/2 of a head, then n/2..n, become 0, n/2, 1, n/2 + 1 and so on."""
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, rows.shape[1])
    return numpy.ascontiguousarray(halves.swapaxes(1, 2).reshape(rows.shape))


def put_shape(out, config):
    heads = config["num_attention_heads"]
    out.add_context_length(config["max_position_embeddings"])
    out.add_embedding_length(config["hidden_size"])
    out.add_block_count(config["num_hidden_layers"])
    out.add_feed_forward_length(config["intermediate_size"])
    out.add_head_count(heads)
    out.add_head_count_kv(config["num_key_value_heads"])
    out.add_rope_dimension_count(config["hidden_size"] // heads)
    out.add_rope_freq_base(config["rope_theta"])
    out.add_layer_norm_rms_eps(config["rms_norm_eps"])
    out.add_vocab_size(config["vocab_size"])
    out.add_file_type(gguf.LlamaFileType.ALL_F32)


def put_tokenizer(out, model, config):
    tokenizer = read(model, "tokenizer.json")
    special = {t["content"] for t in tokenizer["added_tokens"]}
    tokens = sorted(tokenizer["model"]["vocab"].items(), key=lambda item: item[1])
    kinds = [gguf.TokenType.CONTROL if t in special else gguf.TokenType.NORMAL for t, _ in tokens]
    merges = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]]
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("gpt-2")
    out.add_token_list([t for t, _ in tokens])
    out.add_token_types([int(k) for k in kinds])
    out.add_token_merges(merges)
    out.add_eos_token_id(config["eos_token_id"])
    out.add_pad_token_id(config["pad_token_id"])
    out.add_add_bos_token(False)
    out.add_chat_template(read(model, "tokenizer_config.json")["chat_template"])


def put_weights(out, model, config):
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    for name, weight in load_file(os.path.join(model, "model.safetensors")).items():
        name = name.removesuffix(".weight")
        if name in OUTSIDE:
            out.add_tensor(f"{OUTSIDE[name]}.weight", weight)
            continue
        layer, _, part = name.removeprefix("model.layers.").partition(".")
        part = NAMES[part]
        if part in heads:
            weight = pairs_together(weight, heads[part])
        out.add_tensor(f"blk.{layer}.{part}.weight", weight)


def main():
    model, file = sys.argv[1:]
    config = read(model, "config.json")
    out = gguf.GGUFWriter(file, "llama")
    out.add_name("tiny")
    put_shape(out, config)
    put_tokenizer(out, model, config)
    put_weights(out, model, config)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


main()
