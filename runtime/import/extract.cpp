#include "runtime/import/extract.hpp"

#include "runtime/base/disk_space.hpp"
#include "runtime/base/json.hpp"
#include "runtime/base/unfinished_directory.hpp"
#include "runtime/import/extract_plan.hpp"
#include "runtime/import/write_piece.hpp"
#include "runtime/import/write_texts.hpp"
#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/directory.hpp"
#include "runtime/vindex/package/checksum_writer.hpp"

#include <algorithm>

namespace larql::import {

namespace {

namespace fs = std::filesystem;

// Room beside the large files: manifests, tokenizer, checksums, blocks of the file system.
constexpr std::uint64_t spare_bytes = 64 << 20;

class writer {
public:
  writer(const extract_plan& plan, fs::path dir, compute_pool& pool, const extract_options& options)
      : plan_(plan), dir_(std::move(dir)), pool_(pool), options_(options) {
    for (const auto& f : plan_.files)
      progress_.total_bytes += f.bytes();
  }

  result<void> run() {
    LARQL_TRY(auto earlier, vindex::read_checksums(dir_));
    if (earlier)
      earlier_ = std::move(*earlier);
    LARQL_TRY_VOID(check_space());
    for (const auto& f : plan_.files)
      if (is_complete(f))
        take_over(f);
    for (const auto& f : plan_.files) {
      if (sums_.files.contains(f.name))
        continue;
      LARQL_TRY_VOID(make_directories((dir_ / f.name).parent_path()));
      LARQL_TRY_VOID(write(f));
      // What is finished is known to be even if the next file never is.
      LARQL_TRY_VOID(vindex::save_checksums(dir_, sums_));
    }
    LARQL_TRY_VOID(write_texts(plan_, dir_, sums_));
    return options_.last_step ? options_.last_step(dir_) : result<void>{};
  }

private:
  // A file has its real name only when it was finished, and its checksum only after that.
  [[nodiscard]] bool is_complete(const output_file& f) const {
    const auto sum = earlier_.files.find(f.name);
    auto error = std::error_code{};
    return sum != earlier_.files.end() && sum->second.bytes == f.bytes() &&
           (!f.layer || earlier_.layers.contains(*f.layer)) &&
           fs::file_size(dir_ / f.name, error) == f.bytes() && !error;
  }

  void take_over(const output_file& f) {
    progress_.done_bytes += f.bytes();
    progress_.resumed_bytes += f.bytes();
    sums_.files[f.name] = earlier_.files.at(f.name);
    if (f.layer)
      sums_.layers[*f.layer] = earlier_.layers.at(*f.layer);
  }

  [[nodiscard]] result<void> check_space() const {
    auto needed = std::uint64_t{0};
    for (const auto& f : plan_.files)
      needed += is_complete(f) ? 0 : f.bytes();
    return check_free_space(dir_, needed, spare_bytes);
  }

  result<void> write(const output_file& f) {
    progress_.file = f.name;
    LARQL_TRY(auto out, vindex::checksum_writer::create(dir_ / f.name, pool_));
    LARQL_TRY_VOID(out.write(f.head));
    progress_.done_bytes += f.head.size();
    if (!f.layer) {
      for (const auto& p : f.pieces)
        LARQL_TRY_VOID(write(p, out));
    } else {
      auto& layer = sums_.layers[*f.layer];
      layer = {out.end_part(), {}};
      const auto each = f.pieces.size() / f.experts;
      for (auto i = std::size_t{0}; i < f.pieces.size(); ++i) {
        LARQL_TRY_VOID(write(f.pieces[i], out));
        if ((i + 1) % each == 0)
          layer.experts.emplace_back(out.end_part());
      }
    }
    sums_.files[f.name] = out.sum();
    return out.commit();
  }

  result<void> write(const piece& p, vindex::checksum_writer& out) {
    return write_piece(p, out, pool_, buffer_, [this](std::uint64_t bytes) {
      progress_.done_bytes += bytes;
      return !options_.on_progress || options_.on_progress(progress_);
    });
  }

  const extract_plan& plan_;
  fs::path dir_;
  compute_pool& pool_;
  const extract_options& options_;
  extract_progress progress_;
  std::vector<std::byte> buffer_;
  vindex::checksums earlier_; // of an earlier run's files
  vindex::checksums sums_;
};

// What an unfinished directory must have been made of to be continued.
std::string state_text(const checkpoint& source, const extract_options& options) {
  auto state = json{
      {"version", 2},
      {"source", source.fingerprint},
      {"quant", options.quant == vindex::quant_kind::q4k ? "q4k" : "lossless"},
  };
  if (!options.beside.empty())
    state["beside"] = options.beside;
  // File names need not be UTF-8.
  return state.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace

result<void> extract(const checkpoint& source, const fs::path& destination, compute_pool& pool,
                     const extract_options& options) {
  auto rules = vindex::vindex_output(options.force, {options.source});
  LARQL_TRY_VOID(check_destination(destination, rules));
  LARQL_TRY(const auto plan, plan_extract(source, options.quant, options.version));
  LARQL_TRY(auto dir,
            unfinished_directory::open(destination, state_text(source, options), std::move(rules)));
  return dir.finish(writer{plan, dir.path(), pool, options}.run());
}

} // namespace larql::import
