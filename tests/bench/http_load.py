"""Clients of an HTTP server of completions, with their times, for the scripts beside this file."""
import http.client
import json
import statistics
import threading
import time


class Stream:
    """One streamed request of /v1/completions: when it was sent, when each piece came, and what the server counted."""

    def __init__(self, port, prompt, tokens, **more):
        self.sent, self.times, self.usage = time.monotonic(), [], None
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        body = {"prompt": prompt, "max_tokens": tokens, "temperature": 0, "stream": True,
                "stream_options": {"include_usage": True}, **more}
        connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"status {answer.status}: {answer.read()[:300]}")
        for line in answer:
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            if event.get("usage"):
                self.usage = event["usage"]
            if any(c.get("text") for c in event["choices"]):
                self.times.append(time.monotonic())
        connection.close()

    @property
    def first(self):
        """Seconds to the first piece."""
        return self.times[0] - self.sent

    @property
    def gaps(self):
        return [b - a for a, b in zip(self.times, self.times[1:])]

    @property
    def tokens(self):
        return self.usage["completion_tokens"]


def at_once(jobs):
    """Runs functions in threads; their results, in order. The first failure is raised."""
    results, failures = [None] * len(jobs), []

    def work(i):
        try:
            results[i] = jobs[i]()
        except Exception as e:  # told in the caller's thread
            failures.append(e)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(jobs))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        raise failures[0]
    return results


def prompt_of(length, number):
    """Token ids, other ones for each number, so that no cache knows them."""
    state = number * 2654435761 + 1
    out = []
    for _ in range(length):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append(1000 + (state >> 33) % 200_000)
    return out


def load(port, clients, prompt_tokens, tokens, first_number):
    """Clients at once: (tokens per second of all together, median seconds to the first piece)."""
    begin = time.monotonic()
    done = at_once([lambda n=n: Stream(port, prompt_of(prompt_tokens, first_number + n), tokens) for n in range(clients)])
    seconds = time.monotonic() - begin
    return sum(s.tokens for s in done) / seconds, statistics.median(s.first for s in done)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
