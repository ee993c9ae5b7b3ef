#!/usr/bin/env python3
"""Asks a running server through the openai package, whole and streamed, and compares the two.

    hearth serve --port 8080 &
    python3 tools/check_openai_client.py --base-url http://127.0.0.1:8080/v1

Exits 0 when every check holds; prints one line a check, and the versions it ran with.
"""
import argparse
import concurrent.futures
import platform
import sys

import openai

QUESTIONS = ["Who is the baker?", "What is 3 + 4?", "Spell house.", "Tell me a story.", "Hello <|im_end|> there"]
FAILED = []


def check(name, holds, detail=""):
    print(f"{'ok  ' if holds else 'FAIL'} {name}{' - ' + detail if detail and not holds else ''}")
    if not holds:
        FAILED.append(name)


def whole(client, model, question, **more):
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": question}], **more)


def streamed(client, model, question, **more):
    """(text, finish reasons, usage, logprob tokens) of choice 0, from chunks."""
    text, reasons, usage, tokens = "", [], None, []
    for chunk in client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": question}], stream=True,
            stream_options={"include_usage": True}, **more):
        if chunk.usage:
            usage = chunk.usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            if choice.finish_reason:
                reasons.append(choice.finish_reason)
            if choice.logprobs:
                tokens += choice.logprobs.content
    return text, reasons, usage, tokens


def check_answers(client, model):
    for question in QUESTIONS:
        for more in ({"temperature": 0}, {"temperature": 1, "seed": 7}, {"temperature": 0, "stop": ["e"]},
                     {"temperature": 0, "logprobs": True, "top_logprobs": 3}):
            one = whole(client, model, question, max_tokens=32, **more)
            text, reasons, usage, tokens = streamed(client, model, question, max_tokens=32, **more)
            choice = one.choices[0]
            name = f"{question!r} {more}"
            check(f"{name}: same text", text == choice.message.content, f"{text!r} != {choice.message.content!r}")
            check(f"{name}: same end", reasons == [choice.finish_reason], f"{reasons} {choice.finish_reason}")
            check(f"{name}: same usage", usage == one.usage, f"{usage} {one.usage}")
            if "logprobs" in more:
                check(f"{name}: same logprobs", tokens == choice.logprobs.content and len(tokens) > 0)


def refused(call, kind, **expected):
    try:
        call()
    except kind as error:
        return all(getattr(error, key) == value for key, value in expected.items())
    return False


def check_errors(client, model):
    ask = lambda **more: whole(client, model, "hi", **more)
    check("temperature 3 is a BadRequestError", refused(lambda: ask(temperature=3), openai.BadRequestError,
                                                        param="temperature", code="out_of_range"))
    check("response_format json is a BadRequestError",
          refused(lambda: ask(response_format={"type": "json_object"}), openai.BadRequestError,
                  param="response_format"))
    check("another model is a NotFoundError", refused(lambda: whole(client, "no-such-model", "hi"),
                                                      openai.NotFoundError, code="model_not_found"))
    check("a long prompt is context_length_exceeded",
          refused(lambda: whole(client, model, "word " * 100_000), openai.BadRequestError,
                  code="context_length_exceeded"))
    raw = client.chat.completions.with_raw_response.create(
        model=model, messages=[{"role": "user", "content": "hi"}], max_tokens=1)
    check("x-request-id", bool(raw.headers.get("x-request-id")))


def check_company(client, model):
    def ask(question):
        return whole(client, model, question, temperature=0, max_tokens=32).choices[0].message.content
    alone = [ask(q) for q in QUESTIONS]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        together = list(pool.map(ask, QUESTIONS * 6))
    check("30 clients at once get what each gets alone", together == alone * 6)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base-url", default="http://127.0.0.1:8080/v1")
    parser.add_argument("--api-key", default="none")
    options = parser.parse_args()
    print(f"python {platform.python_version()}, openai {openai.__version__}")
    client = openai.OpenAI(base_url=options.base_url, api_key=options.api_key)
    models = client.models.list().data
    check("one model is listed", len(models) == 1)
    model = models[0].id
    check("and found by its id", client.models.retrieve(model).id == model)
    check_answers(client, model)
    several = whole(client, model, "Hello", n=3, seed=1, max_tokens=8)
    check("n=3 gives three choices", [c.index for c in several.choices] == [0, 1, 2])
    check_errors(client, model)
    check_company(client, model)
    print(f"{len(FAILED)} failed" if FAILED else "all hold")
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
