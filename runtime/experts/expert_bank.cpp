#include "runtime/experts/expert_bank.hpp"

#include "runtime/base/check.hpp"
#include "runtime/quant/blocks.hpp"
#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/presence.hpp"

#include <algorithm>

namespace larql::experts {

namespace {

bool is_finite(const quant::matrix_view& w) {
  for (auto r = std::size_t{0}; r < w.rows; ++r)
    if (!quant::row_is_finite(w.format, w.row(r), w.cols))
      return false;
  return true;
}

} // namespace

result<expert_bank::layer_part> expert_bank::open_layer(const std::filesystem::path& path,
                                                        const sha256_digest* head,
                                                        const vindex::model_config& model,
                                                        index_range experts) {
  // One matrix in the file, and who wants to know where it is mapped.
  struct piece {
    std::uint64_t begin;
    std::uint64_t bytes;
    located* where;
  };
  auto out = layer_part{};
  out.path = path;
  LARQL_TRY(const auto in, file::open(path));
  LARQL_TRY(out.header, vindex::read_layer_header(in, model, head));
  out.gate_up.resize(experts.count());
  out.down.resize(experts.count());

  auto pieces = std::vector<piece>{};
  for (auto i = 0u; i < experts.count(); ++i) {
    const auto& entry = out.header.entries[experts.first + i];
    pieces.push_back({entry.gate_up_offset, out.header.gate_up_bytes, &out.gate_up[i]});
    pieces.push_back({entry.down_offset, out.header.down_bytes, &out.down[i]});
  }
  std::sort(pieces.begin(), pieces.end(),
            [](const piece& a, const piece& b) { return a.begin < b.begin; });
  for (auto first = pieces.begin(); first != pieces.end();) {
    auto end = first->begin + first->bytes;
    auto next = first + 1;
    for (; next != pieces.end() && next->begin == end; ++next)
      end += next->bytes;
    // With the table before it, the first expert begins in a huge page.
    const auto begin = first->begin == out.header.table_bytes ? 0 : first->begin;
    // Random access: the kernel's read-ahead would pull in neighbours that are not owned.
    LARQL_TRY(auto map, in.map(begin, end - begin, access_pattern::random, page_kind::huge));
    for (auto p = first; p != next; ++p)
      *p->where = {map.bytes().data() + (p->begin - begin),
                   static_cast<std::uint32_t>(out.runs.size())};
    const auto bytes = map.bytes().subspan(first->begin - begin);
    out.runs.push_back({std::move(map), bytes});
    first = next;
  }
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
  auto out = expert_bank{};
  out.owned_ = owned;
  out.activation_ = model.activation;
  for (auto l = owned.layers.first; l <= owned.layers.last; ++l) {
    LARQL_TRY(auto part, open_layer(dir / vindex::layer_file_name(l), vindex::head_digest(sums, l),
                                    model, owned.experts));
    out.owned_bytes_ += part.header.expert_bytes() * owned.experts.count();
    out.layers_.push_back(std::move(part));
  }
  return out;
}

const expert_bank::layer_part& expert_bank::part_of(std::uint32_t layer) const {
  LARQL_CHECK(owned_.layers.contains(layer));
  return layers_[layer - owned_.layers.first];
}

quant::encoding expert_bank::input_format(std::uint32_t layer) const {
  return part_of(layer).header.gate_up_format;
}

std::uint64_t expert_bank::expert_bytes(std::uint32_t layer) const {
  return part_of(layer).header.expert_bytes();
}

expert_weights expert_bank::get(std::uint32_t layer, std::uint32_t expert) const {
  LARQL_CHECK(owned_.contains(layer, expert));
  const auto& part = part_of(layer);
  const auto& h = part.header;
  const auto i = expert - owned_.experts.first;
  const auto* gate_up = part.gate_up[i].data;
  return {{h.gate_up_format, h.width, h.hidden, gate_up},
          {h.gate_up_format, h.width, h.hidden, gate_up + h.gate_up_bytes / 2},
          {h.down_format, h.hidden, h.down_cols, part.down[i].data}};
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
  const auto& part = part_of(layer);
  const auto i = expert - owned_.experts.first;
  const auto ask = [&](const located& l, std::uint64_t bytes) {
    part.runs[l.run].map.will_need({l.data, bytes});
  };
  ask(part.gate_up[i], part.header.gate_up_bytes);
  ask(part.down[i], part.header.down_bytes);
}

void expert_bank::release(std::uint32_t layer, std::uint32_t expert) const {
  LARQL_CHECK(owned_.contains(layer, expert));
  const auto& part = part_of(layer);
  const auto i = expert - owned_.experts.first;
  release_pages({part.gate_up[i].data, part.header.gate_up_bytes});
  release_pages({part.down[i].data, part.header.down_bytes});
}

std::uint64_t expert_bank::resident_bytes() const {
  auto sum = std::uint64_t{0};
  for (const auto& part : layers_)
    for (const auto& run : part.runs)
      sum += larql::resident_bytes(run.bytes);
  return sum;
}

result<void> expert_bank::warm_up(const std::function<bool(std::uint64_t)>& on_progress) const {
  constexpr std::size_t step_bytes = 32 << 20;
  auto done = std::uint64_t{0};
  for (const auto& part : layers_)
    for (const auto& run : part.runs)
      for (auto rest = run.bytes; !rest.empty();) {
        const auto step = rest.first(std::min(rest.size(), step_bytes));
        // The disk works on the next step while this one is waited for.
        run.map.will_need(rest.first(std::min(rest.size(), 2 * step_bytes)));
        if (auto ok = populate(step); !ok)
          return std::move(ok).error().in(part.path.string());
        rest = rest.subspan(step.size());
        done += step.size();
        if (!on_progress(done))
          return fail(errc::cancelled, "warm-up was stopped");
      }
  return {};
}

result<void> expert_bank::lock_in_memory() const {
  for (const auto& part : layers_)
    for (const auto& run : part.runs)
      if (auto ok = lock_pages(run.bytes); !ok)
        return std::move(ok).error().in(part.path.string());
  return {};
}

} // namespace larql::experts
