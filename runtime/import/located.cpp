#include "runtime/import/located.hpp"

#include "runtime/base/disk_space.hpp"
#include "runtime/base/file_writer.hpp"
#include "runtime/base/unfinished_directory.hpp"
#include "runtime/import/located_layout.hpp"
#include "runtime/import/write_piece.hpp"
#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/directory.hpp"
#include "runtime/vindex/format.hpp"

#include <algorithm>
#include <thread>

namespace larql::import {

namespace {

namespace fs = std::filesystem;

using namespace std::chrono_literals;

// Written after all texts: a directory without it has not got them, or not all.
constexpr std::string_view texts_mark = ".texts";

constexpr auto poll = 50ms;

failure stopped() {
  return fail(errc::cancelled, "stopped; the same command goes on from here");
}

bool is_text_of_source(const checkpoint& source, std::string_view name) {
  return std::any_of(source.files.begin(), source.files.end(),
                     [&](const text_file& f) { return f.name == name; });
}

class maker {
public:
  maker(const checkpoint& source, const fs::path& dir, bool texts, const located_options& options)
      : source_(source), dir_(dir), texts_(texts), options_(options) {}

  result<void> run() {
    LARQL_TRY(plan_, plan_extract(source_, vindex::quant_kind::lossless, options_.version,
                                  matrices_lie::in_source));
    layout_ = lay_out(source_, plan_);
    LARQL_TRY_VOID(make());
    LARQL_TRY_VOID(update());
    return texts_ ? add_texts() : result<void>{};
  }

private:
  // Somebody else may be making the directory at this moment.
  result<void> make() {
    for (;;) {
      LARQL_TRY(const auto there, vindex::read_locations(dir_));
      if (there && there->source == layout_.where.source)
        return {};
      auto made = make_once();
      if (made || made.error().code != errc::unavailable)
        return made;
      if (options_.stop.stop_requested())
        return stopped();
      std::this_thread::sleep_for(poll);
    }
  }

  result<void> make_once() {
    LARQL_TRY_VOID(make_directories(dir_.parent_path()));
    LARQL_TRY(auto dir, unfinished_directory::open(dir_, layout_.where.source,
                                                   vindex::vindex_output(true, paths())));
    return dir.finish(fill(dir.path()));
  }

  [[nodiscard]] std::vector<fs::path> paths() const {
    auto out = std::vector<fs::path>{};
    for (const auto& p : source_.parts)
      out.push_back(p.path);
    return out;
  }

  result<void> fill(const fs::path& to) {
    // Made by another process before this one had the lock: what that adds to it must stay.
    LARQL_TRY(const auto there, vindex::read_locations(dir_));
    if (there && there->source == layout_.where.source)
      return fail(errc::unavailable, "{}: was made meanwhile", dir_.string());
    const auto norms = std::find_if(plan_.files.begin(), plan_.files.end(),
                                    [](const auto& f) { return f.name == vindex::norms_file; });
    LARQL_TRY_VOID(write_norms(*norms, to / norms->name));
    LARQL_TRY(auto heads, file_writer::create(to / heads_file));
    LARQL_TRY_VOID(heads.write(layout_.heads));
    LARQL_TRY_VOID(heads.commit());
    auto sums = vindex::checksums{};
    for (const auto& f : plan_.files)
      if (f.layer) // the experts' digests are found out when there is time
        sums.layers[*f.layer] = {hash_bytes(f.head),
                                 std::vector<std::optional<sha256_digest>>(f.experts)};
    LARQL_TRY_VOID(vindex::save_checksums(to, sums));
    for (const auto& t : plan_.texts)
      if (!is_text_of_source(source_, t.name))
        LARQL_TRY_VOID(write_text_file(to / t.name, t.content));
    return write_text_file(to / vindex::locations_file, vindex::write_locations(layout_.where));
  }

  result<void> write_norms(const output_file& f, const fs::path& path) {
    LARQL_TRY(auto out, file_writer::create(path));
    auto inline_pool = compute_pool{1}; // norms are small
    auto buffer = std::vector<std::byte>{};
    for (const auto& p : f.pieces) {
      buffer.resize(p.bytes());
      LARQL_TRY_VOID(convert_piece(p, 0, p.rows, buffer, inline_pool));
      LARQL_TRY_VOID(out.write(buffer));
    }
    return out.commit();
  }

  // A file that was moved is the same one at another place, and one that is pulled may hold more.
  result<void> update() {
    LARQL_TRY(const auto there, vindex::read_locations(dir_));
    if (there != layout_.where)
      LARQL_TRY_VOID(
          write_text_file(dir_ / vindex::locations_file, vindex::write_locations(layout_.where)));
    if (!options_.here) {
      auto error = std::error_code{};
      fs::remove(dir_ / vindex::slice_file, error);
      return error ? fail(errc::io, "{}: remove: {}", (dir_ / vindex::slice_file).string(),
                          error.message())
                   : result<void>{};
    }
    const auto text = write_presence(*options_.here);
    const auto found = read_text_file(dir_ / vindex::slice_file, vindex::max_json_bytes);
    return found && *found == text ? result<void>{}
                                   : write_text_file(dir_ / vindex::slice_file, text);
  }

  result<void> add_texts() {
    LARQL_TRY(const auto marked, path_exists(dir_ / texts_mark));
    if (marked)
      return {};
    for (const auto& f : source_.files)
      LARQL_TRY_VOID(write_text_file(dir_ / f.name, f.content));
    return write_text_file(dir_ / texts_mark, "");
  }

  const checkpoint& source_;
  const fs::path& dir_;
  bool texts_;
  const located_options& options_;
  extract_plan plan_;
  located_layout layout_;
};

} // namespace

result<bool> has_texts(const fs::path& dir, const std::string& identity) {
  LARQL_TRY(const auto there, vindex::read_locations(dir));
  if (!there || there->source != identity)
    return false;
  return path_exists(dir / texts_mark);
}

result<void> make_located(const checkpoint& source, const fs::path& dir, bool texts,
                          const located_options& options) {
  return maker{source, dir, texts, options}.run();
}

} // namespace larql::import
