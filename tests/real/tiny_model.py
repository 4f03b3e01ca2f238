#!/usr/bin/env python3
"""tiny_model.py DIR: a Llama of 7 MB with random weights that vLLM can serve.

Two layers of 128, a byte-level BPE vocabulary learned from generated words, and
a ChatML template. The seed is fixed: the same files every time, so the text an
engine answers with at temperature 0 is the same on every engine and can be
compared. It means nothing; it is only used to see that two engines agree.
"""
import json
import os
import sys

import numpy
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

HIDDEN, LAYERS, HEADS, KV_HEADS, FEED = 128, 2, 4, 2, 256
HEAD = HIDDEN // HEADS
CONTEXT, VOCABULARY = 4096, 2048
END, START_OF_TURN, END_OF_TURN = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{{ m['content'] if m['content'] is string else '' }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def words(rng):
    """Lines of invented words, mostly ASCII, some of other scripts."""
    onsets, vowels = "b d f g k l m n p r s t v z".split(), "a e i o u".split()
    lexicon = ["Größe", "naïve", "señor", "网关", "模型", "Привет", "{\"role\":", "return", "1024"]
    for _ in range(2500):
        n = int(rng.integers(1, 4))
        lexicon.append("".join(rng.choice(onsets) + rng.choice(vowels) for _ in range(n)))
    for _ in range(3000):
        yield " ".join(rng.choice(lexicon, 20))


def make_tokenizer(out, rng):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(words(rng), trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[AddedToken(t, special=True) for t in (END, START_OF_TURN, END_OF_TURN)],
        show_progress=False))
    tokenizer.save(os.path.join(out, "tokenizer.json"))
    write(out, "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": None, "eos_token": END_OF_TURN,
        "pad_token": END, "model_max_length": CONTEXT, "clean_up_tokenization_spaces": False,
        "chat_template": TEMPLATE})
    return tokenizer.get_vocab()


def write(out, name, value):
    with open(os.path.join(out, name), "w", encoding="utf-8") as f:
        json.dump(value, f, indent=1)


def make_weights(vocabulary, rng):
    def normal(rows, columns, deviation=0.08):
        return rng.normal(0, deviation, (rows, columns)).astype(numpy.float32)

    ones = numpy.ones(HIDDEN, numpy.float32)
    head = normal(len(vocabulary), HIDDEN, 0.25)
    # Special tokens and lone bytes of longer characters must not win by chance:
    # an answer should have text, and its length should be the one asked for.
    for token, i in vocabulary.items():
        lone_byte = len(token) == 1 and not (33 <= ord(token) < 127 or token == "\u0120")
        if lone_byte or token in (END, START_OF_TURN, END_OF_TURN):
            head[i] = 0
    weights = {"model.embed_tokens.weight": normal(len(vocabulary), HIDDEN, 1.0),
               "model.norm.weight": ones, "lm_head.weight": head}
    shapes = {"self_attn.q_proj": (HEADS * HEAD, HIDDEN), "self_attn.k_proj": (KV_HEADS * HEAD, HIDDEN),
              "self_attn.v_proj": (KV_HEADS * HEAD, HIDDEN), "self_attn.o_proj": (HIDDEN, HEADS * HEAD),
              "mlp.gate_proj": (FEED, HIDDEN), "mlp.up_proj": (FEED, HIDDEN), "mlp.down_proj": (HIDDEN, FEED)}
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        for name in ("input_layernorm", "post_attention_layernorm"):
            weights[f"{prefix}{name}.weight"] = ones
        for name, shape in shapes.items():
            weights[f"{prefix}{name}.weight"] = normal(*shape)
    return weights


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    rng = numpy.random.default_rng(20)
    vocabulary = make_tokenizer(out, rng)
    ids = {"bos_token_id": None, "eos_token_id": vocabulary[END_OF_TURN], "pad_token_id": vocabulary[END]}
    write(out, "config.json", {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN,
        "intermediate_size": FEED, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS, "head_dim": HEAD, "vocab_size": len(vocabulary),
        "max_position_embeddings": CONTEXT, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "hidden_act": "silu", "attention_bias": False, "mlp_bias": False,
        "tie_word_embeddings": False, "torch_dtype": "bfloat16", "use_cache": True, **ids})
    write(out, "generation_config.json", {k: v for k, v in ids.items() if v is not None})
    save_file(make_weights(vocabulary, rng), os.path.join(out, "model.safetensors"), metadata={"format": "pt"})


main()
