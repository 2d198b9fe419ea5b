#include "cli/node/own_answers.hpp"

#include "cli/support/progress.hpp"
#include "runtime/base/log.hpp"
#include "runtime/experts/answer_table.hpp"

#include <algorithm>
#include <chrono>

namespace larql::cli {

namespace {

using clock = std::chrono::steady_clock;

double seconds_since(clock::time_point begin) {
  return std::chrono::duration<double>(clock::now() - begin).count();
}

// Of an expert of this node, at least.
bool has_answers(const std::optional<vindex::checksums>& sums, const experts::ownership& owned) {
  return sums && std::any_of(sums->layers.begin(), sums->layers.end(), [&](const auto& layer) {
           const auto& [number, sum] = layer;
           if (!owned.layers.contains(number) || !sum.answers)
             return false;
           const auto& all = sum.answers->experts;
           for (auto e = owned.experts.first; e <= owned.experts.last && e < all.size(); ++e)
             if (all[e])
               return true;
           return false;
         });
}

} // namespace

result<std::optional<sha256_digest>> compare_own_answers(const std::filesystem::path& dir,
                                                         const experts::expert_bank& bank,
                                                         kernels::compute compute,
                                                         const std::function<bool()>& go_on) {
  LARQL_TRY(const auto known, vindex::read_checksums(dir));
  const auto begin = clock::now();
  auto line = progress_line{"known answers"};
  const auto on_progress = [&](std::uint64_t done, std::uint64_t total) {
    line.update(done, total, "");
    return go_on();
  };
  if (!has_answers(known, bank.owned())) {
    LARQL_TRY(const auto own, experts::digest_of_answers(compute, bank, on_progress));
    log_info("node",
             "known answers: the vindex has none; those of this node have the digest {}, {:.1f} s",
             to_hex(own), seconds_since(begin));
    return std::optional{own};
  }
  auto request = experts::answers_request{};
  request.on_progress = on_progress;
  LARQL_TRY(const auto found, experts::compare_answers(compute, bank, *known, request));
  if (!found.wrong.empty())
    return fail(errc::corrupt, "{}: {}{}: the weights are not those of the model", dir.string(),
                found.wrong.front(),
                found.wrong.size() > 1 ? fmt::format(" (and {} more)", found.wrong.size() - 1)
                                       : "");
  log_info("node", "known answers: {} experts are right, {} have none, {:.1f} s", found.compared,
           found.unknown, seconds_since(begin));
  return std::optional<sha256_digest>{};
}

} // namespace larql::cli
