#include "runtime/import/add_drafter.hpp"

#include "runtime/base/disk_space.hpp"
#include "runtime/base/file_writer.hpp"
#include "runtime/import/write_piece.hpp"
#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/checksums_lock.hpp"
#include "runtime/vindex/format.hpp"

namespace larql::import {

namespace {

namespace fs = std::filesystem;
using quant::encoding;

constexpr std::uint64_t spare_bytes = 16 << 20; // manifest, checksums, blocks of the file system

/// What goes into drafter_weights.bin, and its manifest.
struct drafter_plan {
  output_file weights;
  std::vector<vindex::matrix_entry> entries;
};

encoding encoding_for(const vindex::drafter_tensor& t, const source_tensor& from,
                      vindex::quant_kind quant) {
  if (t.is_vector)
    return encoding::f32;
  if (quant == vindex::quant_kind::lossless)
    return quant::vindex_encoding(from.format);
  return t.key.ends_with("down_proj.weight") ? encoding::q6_k : encoding::q4_k;
}

result<drafter_plan> plan(const drafter_checkpoint& d, vindex::quant_kind quant) {
  auto out = drafter_plan{};
  for (const auto& t : vindex::drafter_tensors(d.config)) {
    const auto found = d.source.tensors.find(t.key);
    if (found == d.source.tensors.end())
      continue; // optional: open_drafter has checked
    const auto& from = found->second;
    const auto format = encoding_for(t, from, quant);
    const auto to = target{format, static_cast<std::uint32_t>(quant::padded_cols(format, t.cols))};
    const auto p = piece{&from, to, 0, t.rows};
    out.entries.push_back({t.key, t.rows, to.cols, format, out.weights.bytes(), p.bytes()});
    out.weights.pieces.push_back(p);
  }
  return out;
}

class adder {
public:
  adder(const drafter_checkpoint& d, fs::path dir, compute_pool& pool,
        const add_drafter_options& options)
      : drafter_(d), dir_(std::move(dir)), pool_(pool), options_(options) {}

  result<void> run() {
    LARQL_TRY(model_, vindex::read_index(dir_));
    LARQL_TRY_VOID(check_drafter_of(drafter_, model_));
    LARQL_TRY(const auto plan, import::plan(drafter_, options_.quant));
    LARQL_TRY_VOID(check_free_space(dir_, plan.weights.bytes(), spare_bytes));
    LARQL_TRY_VOID(take_away());
    LARQL_TRY_VOID(write_weights(plan.weights));
    LARQL_TRY_VOID(
        write_text(vindex::drafter_manifest_file, vindex::write_matrix_manifest(plan.entries)));
    LARQL_TRY_VOID(
        write_text(vindex::drafter_file, vindex::write_drafter(drafter_.config, options_.version)));
    return describe();
  }

private:
  // A vindex without drafter.json has none, and checksums.json does not expect it.
  result<void> take_away() {
    auto error = std::error_code{};
    fs::remove(dir_ / vindex::drafter_file, error);
    if (error)
      return fail(errc::io, "{}: remove: {}", (dir_ / vindex::drafter_file).string(),
                  error.message());
    return edit_checksums([](vindex::checksums& sums) {
      for (const auto name :
           {vindex::drafter_file, vindex::drafter_manifest_file, vindex::drafter_weights_file})
        sums.files.erase(std::string{name});
    });
  }

  result<void> write_weights(const output_file& weights) {
    auto progress = extract_progress{};
    progress.total_bytes = weights.bytes();
    progress.file = vindex::drafter_weights_file;
    LARQL_TRY(auto out,
              vindex::checksum_writer::create(dir_ / vindex::drafter_weights_file, pool_));
    auto buffer = std::vector<std::byte>{};
    for (const auto& p : weights.pieces)
      LARQL_TRY_VOID(write_piece(p, out, pool_, buffer, [&](std::uint64_t bytes) {
        progress.done_bytes += bytes;
        return !options_.on_progress || options_.on_progress(progress);
      }));
    written_[std::string{vindex::drafter_weights_file}] = out.sum();
    return out.commit();
  }

  result<void> write_text(std::string_view name, const std::string& text) {
    written_[std::string{name}] = {text.size(), hash_bytes(std::as_bytes(std::span{text}))};
    return write_text_file(dir_ / name, text);
  }

  // In the description of a slice, and in the checksums.
  result<void> describe() {
    LARQL_TRY(auto here, vindex::read_presence(dir_, model_));
    if (here.sliced && !here.parts.contains(vindex::part::drafter)) {
      here.parts.insert(vindex::part::drafter);
      here.left_out.erase(vindex::part::drafter);
      LARQL_TRY_VOID(write_text(vindex::slice_file, vindex::write_presence(here)));
    }
    return edit_checksums([this](vindex::checksums& sums) {
      for (const auto& [name, sum] : written_)
        sums.files[name] = sum;
    });
  }

  // A vindex without checksums stays one.
  template <class F>
  result<void> edit_checksums(F edit) {
    LARQL_TRY(const auto lock, vindex::checksums_lock::take(dir_));
    LARQL_TRY(auto sums, vindex::read_checksums(dir_));
    if (!sums)
      return {};
    edit(*sums);
    return vindex::save_checksums(dir_, *sums);
  }

  const drafter_checkpoint& drafter_;
  fs::path dir_;
  compute_pool& pool_;
  const add_drafter_options& options_;
  vindex::model_config model_;
  std::map<std::string, vindex::file_checksum> written_;
};

} // namespace

result<void> check_drafter_of(const drafter_checkpoint& drafter,
                              const vindex::model_config& model) {
  return vindex::check_drafter(drafter.config, model, drafter.source.description);
}

result<void> add_drafter(const drafter_checkpoint& drafter, const fs::path& dir, compute_pool& pool,
                         const add_drafter_options& options) {
  return adder{drafter, dir, pool, options}.run();
}

} // namespace larql::import
