#include "runtime/experts/answer_table.hpp"

#include "runtime/vindex/presence.hpp"

#include <algorithm>
#include <numeric>

namespace larql::experts {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t step = 8; // experts between two looks at the progress

failure stopped() {
  return fail(errc::cancelled, "stopped; the same command goes on from here");
}

// The runs of neighbouring experts of a layer for which `wanted` holds.
template <class Predicate>
std::vector<index_range> runs_of(std::uint32_t experts, Predicate wanted) {
  auto out = std::vector<index_range>{};
  for (auto e = 0u; e < experts; ++e) {
    if (!wanted(e))
      continue;
    if (!out.empty() && out.back().last + 1 == e)
      out.back().last = e;
    else
      out.push_back({e, e});
  }
  return out;
}

vindex::layer_answers empty_table(const expert_bank& bank, std::uint32_t layer,
                                  std::uint32_t experts) {
  const auto w = bank.get(layer, bank.owned().experts.first);
  const auto format = [](const quant::matrix_view& m) { return quant::vindex_encoding(m.format); };
  auto out = vindex::layer_answers{{format(w.gate), format(w.up), format(w.down)}, {}};
  out.experts.resize(experts);
  return out;
}

std::vector<std::uint32_t> all_of(index_range r) {
  auto out = std::vector<std::uint32_t>(r.count());
  std::iota(out.begin(), out.end(), r.first);
  return out;
}

// `count` of the numbers, ascending; the same seed gives the same ones.
std::vector<std::uint32_t> some_of(std::vector<std::uint32_t> all, std::size_t count,
                                   std::uint64_t seed) {
  for (auto i = std::size_t{0}; i < std::min(count, all.size()); ++i) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    std::swap(all[i], all[i + (seed >> 33) % (all.size() - i)]);
  }
  all.resize(std::min(count, all.size()));
  std::sort(all.begin(), all.end());
  return all;
}

/// Fills in what is missing.
class table_writer {
public:
  table_writer(const fs::path& dir, kernels::compute compute, const answers_progress& on_progress)
      : dir_(dir), compute_(compute), on_progress_(on_progress) {}

  result<void> run() {
    LARQL_TRY(auto read, vindex::read_checksums(dir_));
    if (!read)
      return {};
    sums_ = std::move(*read);
    LARQL_TRY(model_, vindex::read_index(dir_));
    LARQL_TRY(here_, vindex::read_presence(dir_, model_));
    for (const auto& [number, layer] : sums_.layers)
      for (const auto& r : missing(number, layer))
        total_ += r.count();
    if (total_ == 0)
      return {};
    for (auto& [number, layer] : sums_.layers) {
      const auto ranges = missing(number, layer);
      for (const auto& r : ranges)
        LARQL_TRY_VOID(compute(number, r, layer));
      if (!ranges.empty())
        LARQL_TRY_VOID(vindex::save_checksums(dir_, sums_));
    }
    return {};
  }

private:
  [[nodiscard]] std::vector<index_range> missing(std::uint32_t number,
                                                 const vindex::layer_checksum& layer) const {
    if (layer.experts.size() != model_.experts || number >= model_.layers)
      return {};
    return runs_of(model_.experts, [&](std::uint32_t e) {
      return here_.has(number, e) && !(layer.answers && layer.answers->experts[e]);
    });
  }

  result<void> compute(std::uint32_t number, index_range range, vindex::layer_checksum& layer) {
    LARQL_TRY(const auto bank, expert_bank::open(dir_, model_, {{number, number}, range}));
    auto fresh = empty_table(bank, number, model_.experts);
    if (!layer.answers || layer.answers->formats != fresh.formats)
      layer.answers = std::move(fresh);
    auto answers = known_answers{compute_, bank};
    const auto experts = all_of(range);
    for (auto rest = std::span{experts}; !rest.empty();) {
      const auto some = rest.first(std::min(rest.size(), step));
      rest = rest.subspan(some.size());
      const auto found = answers.of(number, some);
      for (auto i = std::size_t{0}; i < some.size(); ++i)
        if (found[i])
          layer.answers->experts[some[i]] = *found[i];
      for (const auto e : some) // a model is larger than the memory that making it may take
        bank.release(number, e);
      done_ += some.size();
      const auto bytes = bank.expert_bytes(number);
      if (on_progress_ && !on_progress_(done_ * bytes, total_ * bytes))
        return stopped();
    }
    return {};
  }

  const fs::path& dir_;
  kernels::compute compute_;
  const answers_progress& on_progress_;
  vindex::checksums sums_;
  vindex::model_config model_;
  vindex::presence here_;
  std::uint64_t done_ = 0, total_ = 0; // experts
};

// Compares the chosen experts of one layer. `known` is what the table has of it.
void compare_layer(known_answers& answers, std::uint32_t layer,
                   std::span<const std::uint32_t> experts, const vindex::layer_answers& known,
                   answers_report& out) {
  const auto found = answers.of(layer, experts);
  for (auto i = std::size_t{0}; i < experts.size(); ++i) {
    const auto& expected = known.experts[experts[i]];
    if (!expected) {
      ++out.unknown;
      continue;
    }
    ++out.compared;
    if (!found[i])
      out.wrong.push_back(
          fmt::format("layer {}, expert {}: {}", layer, experts[i], found[i].error().text));
    else if (*found[i] != *expected)
      out.wrong.push_back(fmt::format("layer {}, expert {}: its known answer is {}, expected {}",
                                      layer, experts[i], to_hex(*found[i]), to_hex(*expected)));
  }
}

} // namespace

result<void> add_known_answers(const fs::path& dir, kernels::compute compute,
                               const answers_progress& on_progress) {
  return table_writer{dir, compute, on_progress}.run();
}

result<answers_report> compare_answers(kernels::compute compute, const expert_bank& bank,
                                       const vindex::checksums& known,
                                       const answers_request& request) {
  const auto& owned = bank.owned();
  auto out = answers_report{};
  auto answers = known_answers{compute, bank};
  const auto each = request.per_layer == 0 ? owned.experts.count()
                                           : std::min(request.per_layer, owned.experts.count());
  const auto total = std::uint64_t{each} * owned.layers.count();
  auto done = std::uint64_t{0};
  for (auto l = owned.layers.first; l <= owned.layers.last; ++l) {
    const auto chosen = some_of(all_of(owned.experts), each, request.seed + l);
    const auto it = known.layers.find(l);
    if (it == known.layers.end() || !it->second.answers ||
        it->second.answers->experts.size() <= owned.experts.last) {
      out.unknown += chosen.size();
      done += chosen.size();
      continue;
    }
    const auto stored = empty_table(bank, l, 0);
    const auto& table = *it->second.answers;
    if (stored.formats != table.formats) {
      out.wrong.push_back(
          fmt::format("layer {}: is stored as {}, the known answers are those of {}", l,
                      vindex::names_of(stored.formats), vindex::names_of(table.formats)));
      done += chosen.size();
      continue;
    }
    for (auto rest = std::span{chosen}; !rest.empty();) {
      const auto some = rest.first(std::min(rest.size(), step));
      rest = rest.subspan(some.size());
      compare_layer(answers, l, some, table, out);
      done += some.size();
      const auto bytes = bank.expert_bytes(l);
      if (request.on_progress && !request.on_progress(done * bytes, total * bytes))
        return fail(errc::cancelled, "stopped before all known answers were compared");
    }
  }
  return out;
}

result<answers_report> compare_answers(kernels::compute compute, const fs::path& dir,
                                       const answers_request& request) {
  LARQL_TRY(const auto model, vindex::read_index(dir));
  LARQL_TRY(const auto here, vindex::read_presence(dir, model));
  LARQL_TRY(const auto known, vindex::read_checksums(dir));
  auto out = answers_report{};
  for (const auto& block : here.holds) {
    LARQL_TRY(const auto bank, expert_bank::open(dir, model,
                                                 {{block.first_layer, block.last_layer},
                                                  {block.first_expert, block.last_expert}}));
    LARQL_TRY(const auto part,
              compare_answers(compute, bank, known ? *known : vindex::checksums{}, request));
    out.compared += part.compared;
    out.unknown += part.unknown;
    out.wrong.insert(out.wrong.end(), part.wrong.begin(), part.wrong.end());
  }
  return out;
}

result<sha256_digest> digest_of_answers(kernels::compute compute, const expert_bank& bank,
                                        const answers_progress& on_progress) {
  const auto& owned = bank.owned();
  auto answers = known_answers{compute, bank};
  auto hash = sha256{};
  const auto experts = all_of(owned.experts);
  const auto total = std::uint64_t{owned.experts.count()} * owned.layers.count();
  auto done = std::uint64_t{0};
  for (auto l = owned.layers.first; l <= owned.layers.last; ++l)
    for (auto rest = std::span{experts}; !rest.empty();) {
      const auto some = rest.first(std::min(rest.size(), step));
      rest = rest.subspan(some.size());
      for (const auto& answer : answers.of(l, some)) {
        if (!answer)
          return answer.error();
        hash.update(*answer);
      }
      done += some.size();
      const auto bytes = bank.expert_bytes(l);
      if (on_progress && !on_progress(done * bytes, total * bytes))
        return stopped();
    }
  return hash.finish();
}

} // namespace larql::experts
