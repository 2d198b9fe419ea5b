#include "runtime/import/extract.hpp"

#include "runtime/base/file_writer.hpp"
#include "runtime/base/json.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/import/extract_plan.hpp"
#include "runtime/vindex/format.hpp"

#include <algorithm>
#include <atomic>

namespace larql::import {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view state_file = ".extract_state.json";
constexpr std::uint64_t chunk_bytes = 8 << 20; // of output, converted and written at a time

result<void> make_directories(const fs::path& path) {
  auto error = std::error_code{};
  fs::create_directories(path, error);
  if (error)
    return fail(errc::io, "{}: create directory: {}", path.string(), error.message());
  return {};
}

result<void> remove_tree(const fs::path& path) {
  auto error = std::error_code{};
  fs::remove_all(path, error);
  if (error)
    return fail(errc::io, "{}: remove: {}", path.string(), error.message());
  return {};
}

class writer {
public:
  writer(const extract_plan& plan, fs::path dir, compute_pool& pool, const extract_options& options)
      : plan_(plan), dir_(std::move(dir)), pool_(pool), options_(options) {
    for (const auto& f : plan_.files)
      progress_.total_bytes += f.bytes();
  }

  result<void> run() {
    for (const auto& f : plan_.files) {
      LARQL_TRY_VOID(make_directories((dir_ / f.name).parent_path()));
      if (is_complete(f)) {
        progress_.done_bytes += f.bytes();
        progress_.resumed_bytes += f.bytes();
        continue;
      }
      LARQL_TRY_VOID(write(f));
    }
    for (const auto& t : plan_.texts)
      LARQL_TRY_VOID(write_text_file(dir_ / t.name, t.content));
    return {};
  }

private:
  // A file has its real name only when it was finished.
  [[nodiscard]] bool is_complete(const output_file& f) const {
    auto error = std::error_code{};
    return fs::file_size(dir_ / f.name, error) == f.bytes() && !error;
  }

  result<void> write(const output_file& f) {
    progress_.file = f.name;
    LARQL_TRY(auto out, file_writer::create(dir_ / f.name));
    LARQL_TRY_VOID(out.write(f.head));
    progress_.done_bytes += f.head.size();
    for (const auto& p : f.pieces)
      LARQL_TRY_VOID(write(p, out));
    return out.commit();
  }

  result<void> write(const piece& p, file_writer& out) {
    const auto row_bytes = p.to.row_bytes();
    const auto step = std::max<std::uint64_t>(chunk_bytes / row_bytes, 1);
    for (auto row = p.first_row; row < p.first_row + p.rows; row += step) {
      const auto end = std::min(row + step, p.first_row + p.rows);
      buffer_.resize((end - row) * row_bytes);
      auto converted = std::atomic<bool>{true};
      pool_.parallel_for(end - row, 16, [&](std::size_t a, std::size_t b, unsigned) {
        if (!convert_rows(*p.tensor, row + a, row + b, p.to,
                          std::span{buffer_}.subspan(a * row_bytes, (b - a) * row_bytes)))
          converted.store(false, std::memory_order_relaxed);
      });
      if (!converted.load())
        return fail(errc::corrupt,
                    "tensor {}: rows {} to {} hold a number that is NaN, infinite or too large for "
                    "{}",
                    p.tensor->name, row, end - 1, quant::name_of(p.to.format));
      LARQL_TRY_VOID(out.write(buffer_));
      const auto in_bytes = quant::row_bytes(p.tensor->format, p.tensor->cols());
      release_pages(p.tensor->data.subspan(row * in_bytes, (end - row) * in_bytes));
      progress_.done_bytes += buffer_.size();
      if (options_.on_progress && !options_.on_progress(progress_))
        return fail(errc::cancelled, "stopped; the same command goes on from here");
    }
    return {};
  }

  const extract_plan& plan_;
  fs::path dir_;
  compute_pool& pool_;
  const extract_options& options_;
  extract_progress progress_;
  std::vector<std::byte> buffer_;
};

// An unfinished directory is continued if it was made from the same source in the same way.
result<void> prepare_directory(const fs::path& dir, const checkpoint& source,
                               const extract_options& options) {
  const auto state = json{
      {"version", 1},
      {"source", source.fingerprint},
      {"quant", options.quant == vindex::quant_kind::q4k ? "q4k" : "lossless"},
  };
  // File names need not be UTF-8.
  const auto text = state.dump(-1, ' ', false, json::error_handler_t::replace);
  LARQL_TRY(const auto exists, path_exists(dir));
  if (exists) {
    const auto found = read_text_file(dir / state_file, vindex::max_json_bytes);
    if (found && *found == text)
      return {};
    LARQL_TRY_VOID(remove_tree(dir));
  }
  LARQL_TRY_VOID(make_directories(dir));
  return write_text_file(dir / state_file, text);
}

} // namespace

result<void> extract(const checkpoint& source, const fs::path& to, compute_pool& pool,
                     const extract_options& options) {
  // "X.vindex/" is X.vindex: a sibling of it gets the unfinished files, not a child.
  const auto destination = to.has_filename() ? to : to.parent_path();
  LARQL_TRY(const auto exists, path_exists(destination));
  if (exists && !options.force)
    return fail(errc::usage, "{}: exists already (use --force to replace it)",
                destination.string());
  LARQL_TRY(const auto plan, plan_extract(source, options.quant));
  auto partial = destination;
  partial += ".partial";
  LARQL_TRY_VOID(prepare_directory(partial, source, options));
  LARQL_TRY_VOID((writer{plan, partial, pool, options}.run()));
  LARQL_TRY_VOID(remove_tree(partial / state_file));
  if (options.force)
    LARQL_TRY_VOID(remove_tree(destination));
  auto error = std::error_code{};
  fs::rename(partial, destination, error);
  if (error)
    return fail(errc::io, "{}: rename to {}: {}", partial.string(), destination.string(),
                error.message());
  return {};
}

} // namespace larql::import
