#include "runtime/vindex/package/slice_plan.hpp"

#include "runtime/base/json.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/vindex/directory.hpp"
#include "runtime/vindex/format.hpp"

#include <algorithm>
#include <array>

namespace larql::vindex {

namespace {

namespace fs = std::filesystem;

result<first_last> checked_range(const std::optional<first_last>& wanted, std::uint32_t count,
                                 const char* what) {
  if (!wanted)
    return first_last{0, count - 1};
  if (wanted->first > wanted->second || wanted->second >= count)
    return fail(errc::usage, "{} {}-{}: the model has {} 0-{}", what, wanted->first, wanted->second,
                what, count - 1);
  return *wanted;
}

// How much of the model index.json claims to hold, in the reference's words.
constexpr std::array levels = {"browse", "attention", "inference", "all"};

std::size_t level_of(const std::set<part>& parts) {
  const auto has = [&](part p) { return parts.contains(p); };
  if (!has(part::attn) || !has(part::norms))
    return 0;
  return !has(part::ffn) ? 1 : !has(part::lm_head) ? 2 : 3;
}

// index.json for the slice. Fields that only the reference knows stay as they are.
result<std::string> edit_index(const fs::path& source, const std::set<part>& parts) {
  LARQL_TRY(auto index, parse_json_file(source / index_file, max_json_bytes));
  const auto level = index.value("extract_level", json(levels[0]));
  const auto* had = std::find(levels.begin(), levels.end(), level);
  const auto had_level =
      had == levels.end() ? levels.size() - 1 : static_cast<std::size_t>(had - levels.begin());
  index["extract_level"] = levels[std::min(had_level, level_of(parts))];
  index["has_model_weights"] = parts.contains(part::ffn) || parts.contains(part::attn);
  // The reference verifies each file that is listed, so those that stay behind leave the list.
  if (const auto sums = index.find("checksums"); sums != index.end() && sums->is_object())
    for (auto it = sums->begin(); it != sums->end();) {
      const auto which = part_of(it.key());
      it = which && parts.contains(*which) ? std::next(it) : sums->erase(it);
    }
  return index.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

class planner {
public:
  planner(const fs::path& source, const slice_request& request) : request_(request) {
    out_.source = source;
  }

  result<slice_plan> run() {
    LARQL_TRY(out_.model, read_index(out_.source));
    LARQL_TRY(had_, read_presence(out_.source, out_.model));
    LARQL_TRY(out_.known, read_checksums(out_.source));
    LARQL_TRY_VOID(check_checksums());
    LARQL_TRY(listed_, list_files(out_.source));
    LARQL_TRY_VOID(check_parts());
    for (const auto& f : listed_)
      add_plain(f);
    if (request_.parts.contains(part::expert_layers))
      LARQL_TRY_VOID(add_layers());
    LARQL_TRY(out_.index, edit_index(out_.source, request_.parts));
    describe();
    return std::move(out_);
  }

private:
  [[nodiscard]] result<void> check_parts() const {
    if ((request_.experts || request_.layers) && !request_.parts.contains(part::expert_layers))
      return fail(errc::usage,
                  "--experts and --layers choose expert files, but {} has no part expert_layers",
                  request_.preset.empty() ? "the list of parts" : "preset " + request_.preset);
    for (const auto p : request_.parts)
      if (p != part::expert_layers && had_.left_out.contains(p) &&
          !(p == part::drafter && !request_.preset.empty())) // a preset takes it where there is one
        return fail(errc::mismatch, "{}: is itself a slice, without the part {}",
                    out_.source.string(), to_string(p));
    return {};
  }

  [[nodiscard]] result<void> check_checksums() const {
    if (out_.known)
      for (const auto& [number, layer] : out_.known->layers)
        if (number >= out_.model.layers || layer.experts.size() != out_.model.experts)
          return fail(errc::mismatch,
                      "{}: layer {} has {} experts, expected {} in layers 0-{} as {} says",
                      (out_.source / checksums_file).string(), number, layer.experts.size(),
                      out_.model.experts, out_.model.layers - 1, index_file);
    return {};
  }

  void add_plain(const found_file& f) {
    const auto which = part_of(f.name);
    if (!which && f.name != checksums_file && f.name != slice_file)
      out_.of_no_part.push_back(f.name);
    if (!which || *which == part::index || *which == part::expert_layers)
      return;
    seen_.insert(*which);
    if (!request_.parts.contains(*which))
      return;
    auto planned = planned_file{};
    planned.name = f.name;
    planned.which = *which;
    planned.size_bytes = planned.held_bytes = f.bytes;
    out_.files.push_back(std::move(planned));
  }

  result<void> add_layers() {
    const auto& m = out_.model;
    LARQL_TRY(const auto layers, checked_range(request_.layers, m.layers, "layers"));
    LARQL_TRY(const auto experts, checked_range(request_.experts, m.experts, "experts"));
    wanted_ = expert_block{layers.first, layers.second, experts.first, experts.second};
    LARQL_TRY_VOID(require_experts(out_.source, had_, *wanted_));
    for (auto l = layers.first; l <= layers.second; ++l) {
      auto f = planned_file{};
      f.name = layer_file_name(l);
      f.which = part::expert_layers;
      f.layer = l;
      LARQL_TRY(const auto in, file::open(out_.source / f.name));
      LARQL_TRY(f.header, read_layer_header(in, m, head_digest(out_.known, l)));
      f.size_bytes = in.size_bytes();
      const auto count = wanted_->last_expert - wanted_->first_expert + 1;
      f.held_bytes = count == m.experts ? f.size_bytes
                                        : f.header.table_bytes + count * f.header.expert_bytes();
      out_.files.push_back(std::move(f));
    }
    return {};
  }

  void describe() {
    auto& h = out_.here;
    h.sliced = true;
    h.preset = request_.preset;
    const auto path = fs::absolute(out_.source).lexically_normal();
    h.source = (path.has_filename() ? path : path.parent_path()).filename().string();
    if (had_.sliced && !had_.source.empty())
      h.source = had_.source;
    h.parts = request_.parts;
    if (!seen_.contains(part::drafter))
      h.parts.erase(part::drafter);
    h.left_out = had_.left_out;
    h.left_out.insert(seen_.begin(), seen_.end());
    if (!had_.holds.empty())
      h.left_out.insert(part::expert_layers);
    for (const auto p : h.parts)
      h.left_out.erase(p);
    if (wanted_)
      h.holds = {*wanted_};
  }

  const slice_request& request_;
  slice_plan out_;
  presence had_;
  std::vector<found_file> listed_;
  std::set<part> seen_;
  std::optional<expert_block> wanted_;
};

} // namespace

std::uint64_t slice_plan::held_bytes() const noexcept {
  auto sum = std::uint64_t{index.size()};
  for (const auto& f : files)
    sum += f.held_bytes;
  return sum;
}

result<slice_plan> plan_slice(const fs::path& source, const slice_request& request) {
  return planner{source, request}.run();
}

} // namespace larql::vindex
