#include "cli/node/prepare_pages.hpp"

#include "cli/node/own_answers.hpp"
#include "cli/support/progress.hpp"
#include "runtime/base/log.hpp"

namespace larql::cli {

namespace {

using namespace std::chrono_literals;

// Reads the owned experts with progress. The signal that came meanwhile, or 0.
result<int> warm_up(const experts::expert_bank& bank, process_signals& signals, watchers& watch) {
  auto line = progress_line{"warm-up"};
  auto signal = 0;
  auto told = std::chrono::steady_clock::time_point{};
  const auto begin = std::chrono::steady_clock::now();
  auto ok = bank.warm_up([&](std::uint64_t done) {
    line.update(done, bank.owned_bytes(), "");
    if (const auto now = std::chrono::steady_clock::now(); now - told >= 1s) {
      told = now;
      watch.loading(fmt::format("warm-up, {} of {} read", format_bytes(done),
                                format_bytes(bank.owned_bytes())));
    }
    signal = signals.within(0ms);
    return signal == 0;
  });
  if (signal != 0)
    return signal;
  LARQL_TRY_VOID(std::move(ok));
  const auto seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  log_info("node", "warm: {} of {} resident after {:.1f} s ({}/s)",
           format_bytes(bank.resident_bytes()), format_bytes(bank.owned_bytes()), seconds,
           format_bytes(static_cast<std::uint64_t>(static_cast<double>(bank.owned_bytes()) /
                                                   std::max(seconds, 1e-3))));
  return 0;
}

// Compares what the owned experts answer with what they should. The signal that came meanwhile, or
// 0.
result<int> check_answers(const node_settings& s, const experts::expert_bank& bank,
                          kernels::compute compute, actors::node_server& node,
                          process_signals& signals, watchers& watch) {
  auto signal = 0;
  watch.loading("comparing known answers");
  const auto own = compare_own_answers(s.vindex, bank, compute, [&] {
    watch.still_loading();
    signal = signals.within(0ms);
    return signal == 0;
  });
  if (signal != 0)
    return signal;
  if (!own)
    return own.error();
  node.set_answers(*own);
  return 0;
}

} // namespace

result<int> prepare_pages(const node_settings& s, const experts::expert_bank& bank,
                          kernels::compute compute, actors::node_server& node,
                          process_signals& signals, watchers& watch) {
  if (s.warmup) {
    watch.loading("warm-up");
    LARQL_TRY(auto signal, warm_up(bank, signals, watch));
    if (signal == 0) {
      LARQL_TRY(signal, check_answers(s, bank, compute, node, signals, watch));
    }
    if (signal != 0)
      return signal;
  }
  if (s.mlock) {
    watch.loading("locking pages in memory");
    if (const auto ok = bank.lock_in_memory(); !ok)
      log_warning("node", "--mlock: {}; the {} of experts are not locked", ok.error().text,
                  format_bytes(bank.owned_bytes()));
  }
  auto now = schema::node_status{};
  actors::measure_process(bank, now);
  log_info("node", "memory: owned={} resident={} rss={}", now.owned_bytes, now.resident_bytes,
           now.rss_bytes);
  return 0;
}

} // namespace larql::cli
