#include "runtime/experts/expert_bank.hpp"

#include "runtime/base/check.hpp"
#include "runtime/quant/blocks.hpp"
#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/presence.hpp"

#include <algorithm>
#include <optional>

namespace larql::experts {

namespace {

bool is_finite(const quant::matrix_view& w) {
  for (auto r = std::size_t{0}; r < w.rows; ++r)
    if (!quant::row_is_finite(w.format, w.row(r), w.cols))
      return false;
  return true;
}

} // namespace

result<expert_bank::layer_part> expert_bank::open_layer(const vindex::storage& files,
                                                        std::uint32_t layer,
                                                        const sha256_digest* head,
                                                        const vindex::model_config& model,
                                                        index_range experts) {
  LARQL_TRY(const auto in, files.open_file(vindex::layer_file_name(layer)));
  auto out = layer_part{in.path(), {}, {}, {}};
  LARQL_TRY(out.header, vindex::read_layer_header(in, model, head));
  const auto& h = out.header;
  auto wanted = std::vector<vindex::wanted_part>{};
  const auto add = [&](std::uint64_t offset, std::uint64_t bytes) -> result<void> {
    LARQL_TRY(auto part, in.find(offset, bytes));
    // With the table before it, the first expert begins in a huge page.
    const auto lead = in.is_whole() && offset == h.table_bytes ? h.table_bytes : 0;
    wanted.push_back({std::move(part), lead});
    return {};
  };
  for (auto e = experts.first; e <= experts.last; ++e) {
    const auto& entry = h.entries[e];
    LARQL_TRY_VOID(add(entry.gate_up_offset, h.gate_bytes));
    LARQL_TRY_VOID(add(entry.gate_up_offset + h.gate_bytes, h.gate_up_bytes - h.gate_bytes));
    LARQL_TRY_VOID(add(entry.down_offset, h.down_bytes));
  }
  // Random access: the kernel's read-ahead would pull in neighbours that are not owned.
  LARQL_TRY(out.mapped, vindex::mapped_parts::map(wanted, access_pattern::random, page_kind::huge));
  return out;
}

result<expert_bank> expert_bank::open(const std::filesystem::path& dir,
                                      const vindex::model_config& model, const ownership& owned) {
  if (owned.experts.first > owned.experts.last || owned.experts.last >= model.experts)
    return fail(errc::usage, "experts {}: the model has experts 0-{}", to_string(owned.experts),
                model.experts - 1);
  if (owned.layers.first > owned.layers.last || owned.layers.last >= model.layers)
    return fail(errc::usage, "layers {}: the model has layers 0-{}", to_string(owned.layers),
                model.layers - 1);
  LARQL_TRY(const auto here, vindex::read_presence(dir, model));
  LARQL_TRY_VOID(vindex::require_experts(
      dir, here, {owned.layers.first, owned.layers.last, owned.experts.first, owned.experts.last}));
  LARQL_TRY(const auto sums, vindex::read_checksums(dir));
  LARQL_TRY(const auto files, vindex::storage::open(dir));
  // A slice of nothing but layer files has no vectors.
  LARQL_TRY(const auto has_manifest, files.has(vindex::weight_manifest_file));
  LARQL_TRY(const auto has_norms, files.has(vindex::norms_file));
  auto vectors = std::optional<vindex::vector_table>{};
  if (has_manifest && has_norms) {
    LARQL_TRY(vectors, vindex::vector_table::open(files));
  }
  auto out = expert_bank{};
  out.owned_ = owned;
  out.activation_ = model.activation;
  for (auto l = owned.layers.first; l <= owned.layers.last; ++l) {
    LARQL_TRY(auto part, open_layer(files, l, vindex::head_digest(sums, l), model, owned.experts));
    if (vectors) {
      LARQL_TRY(part.scales, vindex::read_expert_scales(*vectors, model, l));
    }
    out.owned_bytes_ += part.header.expert_bytes() * owned.experts.count();
    out.layers_.push_back(std::move(part));
  }
  return out;
}

const expert_bank::layer_part& expert_bank::part_of(std::uint32_t layer) const {
  LARQL_CHECK(owned_.layers.contains(layer));
  return layers_[layer - owned_.layers.first];
}

quant::activation_format expert_bank::input_format(std::uint32_t layer) const {
  const auto& formats = part_of(layer).header.formats;
  const auto gate = quant::activation_for(formats.gate);
  return gate == quant::activation_for(formats.up) ? gate : quant::activation_format::f32;
}

std::uint64_t expert_bank::expert_bytes(std::uint32_t layer) const {
  return part_of(layer).header.expert_bytes();
}

expert_weights expert_bank::get(std::uint32_t layer, std::uint32_t expert) const {
  LARQL_CHECK(owned_.contains(layer, expert));
  const auto& part = part_of(layer);
  const auto& h = part.header;
  const auto at = [&](part_number n) { return part.mapped.part(number_of(expert, n)).data(); };
  const auto scale = [&](const std::vector<float>& all) {
    return all.empty() ? 1.0f : all[expert];
  };
  return {{h.formats.gate, h.width, h.hidden, at(gate_part), scale(part.scales.gate)},
          {h.formats.up, h.width, h.hidden, at(up_part), scale(part.scales.up)},
          {h.formats.down, h.hidden, h.down_cols, at(down_part)}};
}

result<void> expert_bank::check(std::uint32_t layer, std::uint32_t expert) const {
  const auto w = get(layer, expert);
  for (const auto& [name, matrix] :
       {std::pair{"gate", w.gate}, std::pair{"up", w.up}, std::pair{"down", w.down}})
    if (!is_finite(matrix))
      return fail(errc::corrupt, "{}: entry {}: {} holds a scale that is NaN or infinite",
                  part_of(layer).path.string(), expert, name);
  return {};
}

void expert_bank::will_need(std::uint32_t layer, std::uint32_t expert) const {
  LARQL_CHECK(owned_.contains(layer, expert));
  const auto& mapped = part_of(layer).mapped;
  for (const auto n : {gate_part, up_part, down_part})
    mapped.will_need(number_of(expert, n));
}

void expert_bank::release(std::uint32_t layer, std::uint32_t expert) const {
  LARQL_CHECK(owned_.contains(layer, expert));
  const auto& mapped = part_of(layer).mapped;
  for (const auto n : {gate_part, up_part, down_part})
    release_pages(mapped.part(number_of(expert, n)));
}

std::uint64_t expert_bank::resident_bytes() const {
  auto sum = std::uint64_t{0};
  for (const auto& part : layers_)
    for (const auto& run : part.mapped.runs())
      sum += larql::resident_bytes(run.bytes);
  return sum;
}

result<void> expert_bank::warm_up(const std::function<bool(std::uint64_t)>& on_progress) const {
  constexpr std::size_t step_bytes = 32 << 20;
  auto done = std::uint64_t{0};
  for (const auto& part : layers_)
    for (const auto& run : part.mapped.runs())
      for (auto rest = run.bytes; !rest.empty();) {
        const auto step = rest.first(std::min(rest.size(), step_bytes));
        // The disk works on the next step while this one is waited for.
        run.map.will_need(rest.first(std::min(rest.size(), 2 * step_bytes)));
        if (auto ok = populate(step); !ok)
          return std::move(ok).error().in(run.path.string());
        rest = rest.subspan(step.size());
        done += step.size();
        if (!on_progress(done))
          return fail(errc::cancelled, "warm-up was stopped");
      }
  return {};
}

result<void> expert_bank::lock_in_memory() const {
  for (const auto& part : layers_)
    for (const auto& run : part.mapped.runs())
      if (auto ok = lock_pages(run.bytes); !ok)
        return std::move(ok).error().in(run.path.string());
  return {};
}

} // namespace larql::experts
