#!/usr/bin/env python3
"""kserve_model.py --http_port PORT --model_name NAME,...: models for KServe's own server.

It says the words of the last message or the prompt again and again, a token
every TOKEN_S, and fails where the first word is "fail". Everything around that
(routes, errors, health, metrics) is KServe's. It stands in a folder of its own:
Python would take the step's programs for packages of the same name.
"""
import asyncio
import itertools
import json
import time
import uuid

from kserve import ModelServer
from kserve.errors import InferenceError
from kserve.model_server import args
from kserve.protocol.rest.openai import OpenAIGenerativeModel
from kserve.protocol.rest.openai.types import ChatCompletion, Completion

TOKEN_S = 0.01


def field(message, name):
    return message[name] if isinstance(message, dict) else getattr(message, name)


class Echo(OpenAIGenerativeModel):
    async def create_completion(self, request, raw_request=None, context=None):
        return await self.answer(request, str(request.prompt), request.max_tokens, chat=False)

    async def create_chat_completion(self, request, raw_request=None, context=None):
        text = str(field(request.messages[-1], "content"))
        return await self.answer(request, text, request.max_completion_tokens or request.max_tokens, chat=True)

    async def answer(self, request, text, tokens, chat):
        said = text.split() or ["nothing"]
        if said[0] == "fail":
            raise InferenceError("asked to fail")
        words = list(itertools.islice(itertools.cycle(said), tokens or 16))
        head = {"id": ("chatcmpl-" if chat else "cmpl-") + uuid.uuid4().hex, "created": int(time.time()),
                "model": request.model}
        if request.stream:
            return self.events(head, words, chat)
        await asyncio.sleep(TOKEN_S * len(words))
        usage = {"prompt_tokens": len(said), "completion_tokens": len(words),
                 "total_tokens": len(said) + len(words)}
        choice = {"index": 0, "finish_reason": "length", "logprobs": None}
        if chat:
            return ChatCompletion(object="chat.completion", usage=usage, **head, choices=[
                {**choice, "message": {"role": "assistant", "content": " ".join(words)}}])
        return Completion(object="text_completion", usage=usage, **head,
                          choices=[{**choice, "text": " ".join(words)}])

    async def events(self, head, words, chat):
        for i, word in enumerate(words):
            await asyncio.sleep(TOKEN_S)
            text = word if i == 0 else " " + word
            choice = {"index": 0, "finish_reason": "length" if i == len(words) - 1 else None}
            choice |= {"delta": {"role": "assistant", "content": text}} if chat else {"text": text}
            kind = "chat.completion.chunk" if chat else "text_completion"
            yield f"data: {json.dumps({**head, 'object': kind, 'choices': [choice]})}\n\n"
        yield "data: [DONE]\n\n"


if __name__ == "__main__":
    models = [Echo(name) for name in args.model_name.split(",")]
    for model in models:
        model.ready = True
    ModelServer().start(models)
