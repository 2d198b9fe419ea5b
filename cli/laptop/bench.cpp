// larql bench: how fast a model runs here, and what the time goes into.
//
// Prompts are random token ids, so the vindex needs no tokenizer; weights decide nothing about the
// speed but which experts are read.

#include "cli/laptop/bench_report.hpp"
#include "cli/laptop/bench_speculation.hpp"
#include "cli/laptop/local_runtime.hpp"
#include "cli/support/command.hpp"
#include "cli/support/interrupt.hpp"
#include "cli/support/number_check.hpp"
#include "runtime/base/memory_bandwidth.hpp"
#include "runtime/generate/sampler.hpp"

#include <algorithm>

namespace larql::cli {

namespace {

using clock = std::chrono::steady_clock;

struct options {
  runtime_options runtime;
  std::vector<std::uint32_t> prompt_tokens = {32, 128, 512};
  std::uint32_t gen_tokens = 32;
  std::vector<std::uint32_t> sessions = {1};
  std::uint32_t depth = 0;
  std::uint32_t repeat = 3;
  std::vector<std::string> acceptance; ///< numbers from 0 to 1
  bool json = false;
  bool no_probe = false;
};

// The same ids in every run, spread over the vocabulary.
class token_source {
public:
  explicit token_source(std::uint32_t vocab) : vocab_(vocab) {}
  std::uint32_t next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::uint32_t>((state_ >> 33) % vocab_);
  }
  std::vector<std::uint32_t> next(std::size_t n) {
    auto out = std::vector<std::uint32_t>(n);
    for (auto& id : out)
      id = next();
    return out;
  }

private:
  std::uint32_t vocab_;
  std::uint64_t state_ = 1;
};

bench_wire wire_of(local_runtime& e) {
  const auto s = e.executor().stats();
  return {s.calls.calls == 0 ? 0 : s.layers, s.calls.calls, s.calls.bytes_sent,
          s.calls.bytes_received};
}

result<bench_prefill> prefill(local_runtime& e, const options& o, std::uint32_t tokens,
                              const std::stop_token& stop) {
  auto out = bench_prefill{tokens, {}, {}};
  auto source = token_source{e.model().config.vocab};
  for (auto i = 0u; i < o.repeat; ++i) {
    LARQL_TRY(const auto sequence, e.new_sequence(std::max(tokens, 16u)));
    const auto prompt = source.next(tokens);
    const auto before = e.executor().stats().times;
    const auto begin = clock::now();
    LARQL_TRY_VOID(e.executor().append(*sequence, prompt, stop));
    LARQL_TRY_VOID(e.executor().last_logits(*sequence));
    out.seconds.push_back(std::chrono::duration<double>(clock::now() - begin).count());
    out.phases = e.executor().stats().times - before;
  }
  return out;
}

// One pass per token over all sequences, as a server would do it.
result<bench_decode> decode(local_runtime& e, const options& o, std::uint32_t count,
                            const std::stop_token& stop) {
  auto out = bench_decode{};
  out.sessions = count;
  out.depth = o.depth;
  auto source = token_source{e.model().config.vocab};
  auto sequences = std::vector<std::unique_ptr<generate::sequence>>{};
  for (auto i = 0u; i < count; ++i) {
    LARQL_TRY(auto s, e.new_sequence(o.depth + o.gen_tokens + 2));
    LARQL_TRY_VOID(e.executor().append(*s, source.next(o.depth + 1), stop));
    sequences.push_back(std::move(s));
  }
  auto parts = std::vector<generate::executor::part>(count);
  auto rows = std::vector<generate::executor::row>(count);
  const auto pass = [&]() -> result<void> {
    const auto tokens = source.next(count);
    for (auto i = 0u; i < count; ++i) {
      parts[i] = {sequences[i].get(), {&tokens[i], 1}};
      rows[i] = {sequences[i].get(), sequences[i]->size()};
    }
    LARQL_TRY_VOID(e.executor().run(parts, stop));
    LARQL_TRY(const auto logits, e.executor().logits(rows));
    const auto vocab = logits.size() / count;
    for (auto i = 0u; i < count; ++i)
      (void) generate::argmax(logits.subspan(i * vocab, vocab));
    return {};
  };
  LARQL_TRY_VOID(pass()); // buffers get their size
  const auto before = e.executor().stats().times;
  out.wire_before = wire_of(e);
  const auto layers_before = e.executor().layer_times().added();
  for (auto i = 0u; i < o.gen_tokens; ++i) {
    const auto begin = clock::now();
    LARQL_TRY_VOID(pass());
    out.seconds.push_back(std::chrono::duration<double>(clock::now() - begin).count());
  }
  out.phases = e.executor().stats().times - before;
  out.wire_after = wire_of(e);
  for (const auto& t : e.executor().layer_times().since(layers_before)) {
    out.round_trip_us.push_back(t.round_trip_us);
    out.round_trip_compute_us.push_back(t.compute_us);
  }
  return out;
}

result<bench_results> measure(const options& o, const std::stop_token& stop) {
  auto out = bench_results{};
  const auto begin = clock::now();
  LARQL_TRY(const auto e, local_runtime::start(o.runtime, stop));
  out.open_seconds = std::chrono::duration<double>(clock::now() - begin).count();
  out.simd = kernels::name_of(e->compute().k.level);
  out.threads = e->compute().pool.threads();
  out.vindex = e->vindex().string();
  out.placement = e->nodes() == nullptr ? "local" : "nodes";
  out.dense_bytes = gemma4::dense_bytes_per_token(e->model().weights);
  out.expert_bytes = e->expert_bytes_per_token();
  if (!o.no_probe) {
    LARQL_TRY(out.read_bytes_per_second, read_bandwidth(e->compute().pool));
  }
  { // Pages are mapped and experts checked at their first use; that is not what is measured.
    LARQL_TRY(const auto warm, prefill(*e, o, 64, stop));
    (void) warm;
  }
  for (const auto n : o.prompt_tokens) {
    LARQL_TRY(auto p, prefill(*e, o, n, stop));
    out.prefill.push_back(std::move(p));
  }
  if (o.gen_tokens != 0)
    for (const auto n : o.sessions) {
      LARQL_TRY(auto d, decode(*e, o, n, stop));
      out.decode.push_back(std::move(d));
    }
  for (const auto& a : o.acceptance) {
    LARQL_TRY(auto s, bench_answers(*e, o.runtime.speculation, std::stod(a), o.depth, stop));
    out.speculation.push_back(s);
  }
  return out;
}

result<void> run(options& o, const std::stop_token& stop) {
  LARQL_TRY_VOID(complete(o.runtime));
  LARQL_TRY(const auto results, measure(o, stop));
  print_text(o.json ? json_of(results) : text_of(results));
  return {};
}

} // namespace

void add_bench(command_parser& app, action& chosen) {
  auto command = app.add_command("bench", "Measure prefill and decode");
  auto o = std::make_shared<options>();
  add_runtime_options(command, o->runtime);
  command.add_option("--prompt-tokens", o->prompt_tokens, "Lengths of prompts to measure")
      .delimiter(',')
      .check(whole_number(1, 1u << 20))
      .show_default();
  command.add_option("--gen-tokens", o->gen_tokens, "Tokens to decode one by one; 0: none")
      .check(whole_number(0, 1u << 16))
      .show_default();
  command.add_option("--depth", o->depth, "Tokens in the KV cache before decoding")
      .check(whole_number(0, 1u << 20))
      .show_default();
  command.add_option("--sessions", o->sessions, "Sessions that decode together: 1,8")
      .delimiter(',')
      .check(whole_number(1, 256))
      .show_default();
  command.add_option("--repeat", o->repeat, "Times each prompt is measured")
      .check(whole_number(1, 100))
      .show_default();
  command
      .add_option("--synthetic-acceptance", o->acceptance,
                  "Answers whose drafts are right this often: 0.5,0.85")
      .delimiter(',')
      .check(number_between(0, 1));
  add_speculation_options(command, o->runtime.speculation);
  command.add_flag("--json", o->json, "Print everything as JSON");
  command.add_flag("--no-probe", o->no_probe, "Leave out the measurement of memory bandwidth");
  command.footer("larql bench gemma4.vindex\n"
                 "larql bench gemma4.vindex --topology cluster.toml --sessions 1,8 --json");
  command.callback([o, &chosen] {
    chosen = [o] {
      const auto signals = interrupt_scope{};
      return exit_code(run(*o, signals.token()));
    };
  });
}

} // namespace larql::cli
