// larql bench: how fast a model runs here, and what the time goes into.
//
// Prompts are random token ids, so the vindex needs no tokenizer; weights decide nothing about the
// speed but which experts are read.

#include "cli/laptop/bench_link.hpp"
#include "cli/laptop/bench_report.hpp"
#include "cli/laptop/bench_speculation.hpp"
#include "cli/laptop/local_runtime.hpp"
#include "cli/support/command.hpp"
#include "cli/support/interrupt.hpp"
#include "cli/support/number_check.hpp"
#include "runtime/base/memory_bandwidth.hpp"
#include "runtime/generate/sampler.hpp"

#include <algorithm>
#include <deque>
#include <utility>

namespace larql::cli {

namespace {

using clock = std::chrono::steady_clock;

// Passes that take turns.
constexpr std::uint32_t most_groups = 16;

struct options {
  runtime_options runtime;
  link_options link;
  std::vector<std::uint32_t> prompt_tokens = {32, 128, 512};
  std::uint32_t gen_tokens = 32;
  std::vector<std::uint32_t> sessions = {1};
  std::uint32_t groups = 0; // 0: chosen
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
  auto out = bench_prefill{};
  out.tokens = tokens;
  auto source = token_source{e.model().config.vocab};
  for (auto i = 0u; i < o.repeat; ++i) {
    LARQL_TRY(const auto sequence, e.new_sequence(std::max(tokens, 16u)));
    const auto prompt = source.next(tokens);
    const auto before = e.executor().stats().times;
    const auto layers_before = e.executor().layer_times().added();
    out.wire_before = wire_of(e);
    const auto begin = clock::now();
    auto chunks = std::vector<std::uint32_t>{}; // where they end
    LARQL_TRY_VOID(e.executor().append(*sequence, prompt, stop,
                                       [&](std::uint32_t size) { chunks.push_back(size); }));
    LARQL_TRY_VOID(e.executor().last_logits(*sequence));
    out.seconds.push_back(std::chrono::duration<double>(clock::now() - begin).count());
    out.phases = e.executor().stats().times - before;
    out.wire_after = wire_of(e);
    out.node_seconds = 0;
    for (const auto& t : e.executor().layer_times().since(layers_before))
      out.node_seconds += static_cast<double>(t.compute_us) * 1e-6;
    out.chunks = static_cast<std::uint32_t>(chunks.size());
  }
  return out;
}

/// Sessions that decode together, in groups whose passes take turns, as a server would do it. Each
/// group begins its next pass when its last one has ended.
class decoding {
public:
  decoding(local_runtime& e, token_source& source) : run_(e.executor()), source_(source) {}

  result<void> add_session(local_runtime& e, const options& o, const std::stop_token& stop) {
    LARQL_TRY(auto s, e.new_sequence(o.depth + o.gen_tokens + 2));
    LARQL_TRY_VOID(run_.append(*s, source_.next(o.depth + 1), stop));
    sessions_.push_back(std::move(s));
    return {};
  }

  /// Shares the sessions between groups.
  void divide(const local_runtime& e, std::uint32_t groups) {
    groups_.clear();
    for (auto g = 0u; g < groups; ++g)
      groups_.emplace_back(e.model().config);
    for (auto i = std::size_t{0}; i < sessions_.size(); ++i)
      groups_[i % groups].members.push_back(sessions_[i].get());
  }

  /// So many tokens for each session; the seconds of each round, which ends when the last group has
  /// ended it.
  result<std::vector<double>> rounds(std::uint32_t count, const std::stop_token& stop) {
    auto out = std::vector<double>(count);
    auto last = clock::now();
    auto left = std::vector<std::size_t>(count, groups_.size());
    for (auto& g : groups_) {
      g.rounds = 0;
      LARQL_TRY_VOID(begin(g));
    }
    for (auto ended = 0u; ended < count;) {
      auto& g = next();
      if (!run_.is_done(g.pass)) {
        LARQL_TRY_VOID(run_.advance(g.pass, stop));
        continue;
      }
      LARQL_TRY_VOID(end(g));
      --left[g.rounds++];
      if (g.rounds < count)
        LARQL_TRY_VOID(begin(g));
      for (; ended < count && left[ended] == 0; ++ended) {
        const auto now = clock::now();
        out[ended] = std::chrono::duration<double>(now - std::exchange(last, now)).count();
      }
    }
    return out;
  }

private:
  struct group {
    explicit group(const vindex::model_config& config) : pass(config) {}
    generate::running_pass pass;
    std::vector<generate::sequence*> members;
    std::uint32_t rounds = 0; // that it has ended
  };

  result<void> begin(group& g) {
    const auto tokens = source_.next(g.members.size());
    auto parts = std::vector<generate::executor::part>{};
    for (auto i = std::size_t{0}; i < tokens.size(); ++i)
      parts.push_back({g.members[i], {&tokens[i], 1}});
    return run_.begin(g.pass, parts);
  }

  result<void> end(group& g) {
    run_.finish(g.pass);
    auto rows = std::vector<generate::executor::row>{};
    for (const auto* s : g.members)
      rows.push_back({s, s->size() - 1});
    LARQL_TRY(const auto logits, run_.logits(rows));
    const auto vocab = logits.size() / rows.size();
    for (auto i = std::size_t{0}; i < rows.size(); ++i)
      (void) generate::argmax(logits.subspan(i * vocab, vocab));
    return {};
  }

  // One whose pass need not wait; else the one that is behind.
  group& next() {
    group* behind = nullptr;
    for (auto& g : groups_) {
      if (!g.pass.is_active())
        continue;
      if (run_.is_done(g.pass) || !run_.would_wait(g.pass))
        return g;
      if (behind == nullptr || g.rounds < behind->rounds)
        behind = &g;
    }
    return *behind;
  }

  generate::executor& run_;
  token_source& source_;
  std::vector<std::unique_ptr<generate::sequence>> sessions_;
  std::deque<group> groups_;
};

result<bench_decode> decode(local_runtime& e, const options& o, std::uint32_t count,
                            const std::stop_token& stop) {
  auto out = bench_decode{};
  out.sessions = count;
  out.depth = o.depth;
  auto source = token_source{e.model().config.vocab};
  auto all = decoding{e, source};
  for (auto i = 0u; i < count; ++i)
    LARQL_TRY_VOID(all.add_session(e, o, stop));
  all.divide(e, 1);
  LARQL_TRY_VOID(all.rounds(1, stop)); // buffers get their size, and the costs are known
  if (e.nodes() != nullptr) {
    const auto usual = e.predispatch() != 0 ? 1u : most_groups;
    const auto most = o.groups != 0 ? o.groups : usual;
    out.groups = o.groups != 0
                     ? std::min(o.groups, count)
                     : generate::choose_flight(e.executor().costs(), count, count, most).passes;
    all.divide(e, out.groups);
  }
  const auto before = e.executor().stats().times;
  out.wire_before = wire_of(e);
  const auto layers_before = e.executor().layer_times().added();
  LARQL_TRY(out.seconds, all.rounds(o.gen_tokens, stop));
  out.phases = e.executor().stats().times - before;
  out.wire_after = wire_of(e);
  for (const auto& t : e.executor().layer_times().since(layers_before)) {
    out.round_trip_us.push_back(t.round_trip_us);
    out.round_trip_compute_us.push_back(t.compute_us);
  }
  return out;
}

bench_link_facts facts_of(const bench_link& link, std::size_t nodes) {
  const auto seconds = [](std::chrono::nanoseconds t) {
    return std::chrono::duration<double>(t).count();
  };
  const auto& p = link.profile;
  // The measured round trips had this jitter, whose mean the bound adds for itself.
  const auto jitter = actors::expected_jitter(p.jitter, 1);
  return {link.name,
          seconds(link.facts.round_trip - std::min(jitter, link.facts.round_trip)),
          link.facts.up_bytes_per_second,
          link.facts.down_bytes_per_second,
          seconds(p.jitter),
          seconds(p.stall_every),
          seconds(p.stall_length),
          p.first_window_bytes != 0,
          nodes};
}

result<bench_results> measure(options& o, const std::stop_token& stop) {
  auto out = bench_results{};
  auto link = std::optional<bench_link>{};
  if (!o.link.name.empty()) {
    if (!o.runtime.nodes)
      return fail(errc::usage, "--wan stands before nodes: give --topology or --moe-shards");
    LARQL_TRY(link, start_link(o.link, *o.runtime.nodes, stop));
    out.link = facts_of(*link, o.runtime.nodes->nodes.size());
  }
  const auto begin = clock::now();
  LARQL_TRY(const auto e, local_runtime::start(o.runtime, stop));
  out.open_seconds = std::chrono::duration<double>(clock::now() - begin).count();
  out.simd = kernels::name_of(e->compute().k.level);
  out.threads = e->compute().pool.threads();
  out.vindex = e->vindex().string();
  out.predispatch = e->predispatch();
  out.sums = e->sums();
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
  if (o.runtime.dispatch.is_approximate() && !o.acceptance.empty())
    return fail(errc::usage, "--synthetic-acceptance: --moe-dispatch batch verifies no drafts");
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
  command
      .add_option("--groups", o->groups,
                  "Groups of sessions whose passes take turns; 0: as is fastest")
      .check(whole_number(0, most_groups))
      .group("Computing")
      .show_default();
  command
      .add_option("--chunks-in-flight", o->runtime.chunks_in_flight,
                  "Chunks of a prompt at a time, with experts on nodes; 0: as is fastest")
      .check(whole_number(0, most_groups))
      .group("Computing")
      .show_default();
  command.add_option("--repeat", o->repeat, "Times each prompt is measured")
      .check(whole_number(1, 100))
      .show_default();
  add_link_options(command, o->link);
  command
      .add_option("--synthetic-acceptance", o->acceptance,
                  "Answers whose drafts are right this often: 0.5,0.85")
      .delimiter(',')
      .check(number_between(0, 1))
      .group("Computing");
  add_speculation_options(command, o->runtime.speculation);
  command.add_flag("--json", o->json, "Print everything as JSON").group("Output");
  command.add_flag("--no-probe", o->no_probe, "Leave out the measurement of memory bandwidth")
      .group("Output");
  command.footer("larql bench gemma4.vindex\n"
                 "larql bench gemma4.vindex --topology cluster.toml --sessions 1,8 --wan home");
  command.callback([o, &chosen] {
    chosen = [o] {
      const auto signals = interrupt_scope{};
      return exit_code(run(*o, signals.token()));
    };
  });
}

} // namespace larql::cli
