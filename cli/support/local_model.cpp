#include "cli/support/local_model.hpp"

#include "cli/support/cache.hpp"
#include "cli/support/compute_choice.hpp"
#include "cli/support/model_kind.hpp"
#include "cli/support/output.hpp"
#include "cli/support/progress.hpp"
#include "cli/support/version.hpp"
#include "runtime/base/unfinished_directory.hpp"
#include "runtime/hub/gguf_pull.hpp"
#include "runtime/import/extract.hpp"
#include "runtime/import/gguf_checkpoint.hpp"
#include "runtime/import/hf_checkpoint.hpp"
#include "runtime/import/located.hpp"
#include "runtime/vindex/format.hpp"

#include <thread>

namespace larql::cli {

namespace {

namespace fs = std::filesystem;

using namespace std::chrono_literals;

constexpr auto poll = 200ms;

result<import::checkpoint> open(const gguf_files& files, bool texts) {
  auto o = import::gguf_options{texts, {}};
  if (!files.contents.empty())
    o.parts = files.paths;
  LARQL_TRY(auto out, import::open_gguf(files.paths.front(), o));
  for (auto i = std::size_t{0}; i < files.contents.size(); ++i)
    out.parts[i].content = files.contents[i];
  return out;
}

// A checkpoint's numbers have sixteen bits, too many to be read for every token, so it is made a
// vindex of the reference's encoding.
result<fs::path> extracted(const fs::path& source, bool look_only, const std::stop_token& stop) {
  LARQL_TRY(const auto checkpoint, import::open_hf(source));
  LARQL_TRY(const auto dir, cached_extract_path(checkpoint.identity(), process_environment));
  LARQL_TRY(const auto done, path_exists(dir / vindex::index_file));
  if (done)
    return dir;
  if (look_only)
    return fail(errc::not_found,
                "{}: a checkpoint of which no vindex was made yet; `larql run {}` makes one in the "
                "cache",
                source.string(), source.string());
  say("{}: a checkpoint; it is made a vindex once, at {}", source.string(), dir.string());
  for (const auto& note : checkpoint.notes)
    say("{}: {}", source.string(), note);
  LARQL_TRY_VOID(make_directories(dir.parent_path()));
  LARQL_TRY_VOID(note_origin(dir, fs::absolute(source).lexically_normal()));
  auto pool = compute_pool{choose_threads(0)};
  auto line = progress_line{"extract"};
  auto o = import::extract_options{};
  o.quant = vindex::quant_kind::q4k;
  o.source = source;
  o.version = version_number();
  o.on_progress = [&](const import::extract_progress& p) {
    line.update(p.done_bytes, p.total_bytes, p.file);
    return !stop.stop_requested();
  };
  for (;;) {
    const auto made = import::extract(checkpoint, dir, pool, o);
    LARQL_TRY(const auto there, path_exists(dir / vindex::index_file));
    if (there) // perhaps by another process
      return dir;
    if (!made && made.error().code != errc::unavailable)
      return made.error();
    if (stop.stop_requested())
      return fail(errc::cancelled, "stopped; the same command goes on from here");
    std::this_thread::sleep_for(poll); // another process is making it
  }
}

} // namespace

result<fs::path> open_gguf_files(const gguf_files& files, const hub::pull_request& needs,
                                 const std::stop_token& stop) {
  const auto& file = files.paths.front();
  LARQL_TRY(auto source, open(files, false));
  LARQL_TRY(const auto dir, cached_file_path(source.identity(), process_environment));
  LARQL_TRY(const auto wanted, hub::needs_of(needs, source.config));
  if (wanted.texts) {
    LARQL_TRY(const auto complete, import::has_texts(dir, source.identity()));
    if (!complete) {
      LARQL_TRY(source, open(files, true));
      for (const auto& note : source.notes)
        say("{}: {}", file.string(), note);
    }
  }
  auto o = import::located_options{};
  o.version = version_number();
  o.here = files.here;
  o.stop = stop;
  LARQL_TRY_VOID(import::make_located(source, dir, wanted.texts, o));
  return dir;
}

bool only_looks(const hub::pull_request& needs) {
  return needs.heads && needs.parts; // a node that waits for its experts asks for a preset
}

result<fs::path> open_local_model(const fs::path& model, const hub::pull_request& needs,
                                  const std::stop_token& stop) {
  LARQL_TRY(const auto found, find_model(model));
  switch (found.kind) {
  case model_kind::gguf: return open_gguf_files({{found.path}}, needs, stop);
  case model_kind::checkpoint: return extracted(found.path, only_looks(needs), stop);
  case model_kind::vindex: break;
  }
  return found.path;
}

} // namespace larql::cli
