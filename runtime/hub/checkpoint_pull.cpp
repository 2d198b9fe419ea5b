#include "runtime/hub/checkpoint_pull.hpp"

#include "runtime/base/bytes.hpp"
#include "runtime/base/check.hpp"
#include "runtime/base/disk_space.hpp"
#include "runtime/base/file_writer.hpp"
#include "runtime/base/json.hpp"
#include "runtime/base/unfinished_directory.hpp"
#include "runtime/hub/file_fetcher.hpp"
#include "runtime/hub/pull_directory.hpp"
#include "runtime/hub/stream_note.hpp"
#include "runtime/import/arriving_extract.hpp"
#include "runtime/import/hf_checkpoint.hpp"
#include "runtime/vindex/directory.hpp"

#include <algorithm>
#include <fcntl.h>
#include <map>
#include <unistd.h>

namespace larql::hub {

namespace {

namespace fs = std::filesystem;

constexpr auto most_rounds = 3; // a file that is still wrong then was published wrong
constexpr std::uint64_t spare_bytes = 64 << 20;
constexpr std::uint64_t first_head_bytes = 64 << 10;
constexpr std::uint64_t max_head_bytes = 100'000'008; // the format's own limit
constexpr std::size_t buffer_bytes = 1 << 20;

bool is_small_file(std::string_view path) {
  const auto names = import::small_files();
  return std::find(names.begin(), names.end(), path) != names.end();
}

bool is_of_checkpoint(std::string_view path) {
  return path.find('/') == std::string_view::npos &&
         (is_small_file(path) || path.ends_with(".safetensors"));
}

// Gives bytes of a file back to the disk. Where that cannot be done, the disk holds them until the
// end.
void give_back(const fs::path& path, interval bytes) {
  if (bytes.begin >= bytes.end)
    return;
  const auto fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0)
    return;
  static_cast<void>(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                static_cast<off_t>(bytes.begin),
                                static_cast<off_t>(bytes.bytes())));
  ::close(fd);
}

result<void> add_to(sha256& hash, const fs::path& path, interval bytes) {
  LARQL_TRY(const auto in, file::open(path));
  auto buffer = std::vector<std::byte>(buffer_bytes);
  for (auto at = bytes.begin; at < bytes.end;) {
    const auto piece =
        std::span{buffer}.first(std::min<std::uint64_t>(buffer_bytes, bytes.end - at));
    LARQL_TRY_VOID(in.read(at, piece));
    hash.update(piece);
    at += piece.size();
  }
  return {};
}

class checkpoint_puller {
public:
  checkpoint_puller(const repo& from, const fs::path& to, const fs::path& destination,
                    compute_pool& pool, const checkpoint_pull_options& options)
      : from_(from),
        layout_(to),
        destination_(destination),
        pool_(pool),
        options_(options),
        window_(options.pull),
        hub_(options.pull.http),
        fetcher_(
            layout_, window_,
            [this](const remote_file& f) { return hub_.file_url(from_, snapshot_.commit, f.path); },
            [this](const planned_file& f, const file& in) { return checks(f, in); }) {
    LARQL_CHECK(options.window_bytes % sha256::block_bytes == 0 && options.window_bytes != 0);
    window_.check = false;
    window_.on_progress = [this](const pull_progress& p) {
      if (options_.pull.on_progress)
        options_.pull.on_progress({std::min(before_ + p.done_bytes, total_), total_, 0, p.file});
    };
  }

  result<void> run() {
    LARQL_TRY(auto begun, begin_pull(from_, layout_, hub_, options_.pull));
    snapshot_ = std::move(begun.from);
    auto failures = std::map<std::string, int>{};
    for (;;) {
      wrong_file_.clear();
      auto made = make();
      if (made)
        return remove_leftovers();
      if (wrong_file_.empty())
        return made;
      if (++failures[wrong_file_] == most_rounds)
        return fail(errc::corrupt,
                    "{}: {}: has another SHA-256 than the repository says, {} times in a row: it "
                    "was published damaged, or something on the way changes it",
                    snapshot_.name, wrong_file_, most_rounds);
      if (options_.pull.http.on_notice)
        options_.pull.http.on_notice(fmt::format(
            "{}: has another SHA-256 than the repository says; what was made of it is void, again",
            wrong_file_));
    }
  }

private:
  [[nodiscard]] fs::path parts() const { return layout_.own() / "parts"; }

  // Small files are checked as whole ones. Of the others every byte is hashed as it passes.
  static result<std::vector<content_check>> checks(const planned_file& f, const file& in) {
    return is_small_file(f.remote.path) ? checks_of(f, in, nullptr, nullptr)
                                        : std::vector<content_check>{};
  }
  static planned_file planned(const remote_file& f, interval bytes) {
    return {f, interval_set{bytes}, false};
  }

  result<void> make() {
    LARQL_TRY_VOID(fetch_small_files());
    LARQL_TRY_VOID(fetch_heads());
    LARQL_TRY(auto source, import::open_hf(parts()));
    source.description = from_.name;
    source.config.model = from_.name;
    LARQL_TRY(const auto plan,
              import::plan_extract(source, vindex::quant_kind::q4k, options_.version));
    LARQL_TRY_VOID(make_directories(destination_.parent_path()));
    // What heads say is not checked before the end; with other ones, nothing fits.
    auto heads = std::string{};
    for (auto i = std::size_t{0}; i < shards_.size(); ++i)
      heads += to_hex(source.parts[i].head);
    const auto state = json{{"version", 1},
                            {"checkpoint", checkpoint_identity(snapshot_)},
                            {"heads", to_hex(hash_bytes(std::as_bytes(std::span{heads})))}};
    LARQL_TRY(auto dir, unfinished_directory::open(destination_, state.dump(),
                                                   vindex::vindex_output(true, {})));
    LARQL_TRY_VOID(dir.finish(fill(plan, dir.path())));
    auto ignored = std::error_code{};
    fs::remove(destination_ / stream_note_file, ignored);
    return {};
  }

  result<void> fetch_small_files() {
    auto files = std::vector<planned_file>{};
    for (const auto name : import::small_files()) {
      if (const auto* f = snapshot_.find(name))
        files.push_back(planned(*f, {0, f->bytes}));
      else
        LARQL_TRY_VOID(drop(name)); // another commit had it
    }
    LARQL_TRY_VOID(fetcher_.fetch(files, false));
    LARQL_TRY(const auto names, import::shard_names(parts()));
    shards_.clear();
    total_ = 0;
    for (const auto& name : names) {
      const auto* f = snapshot_.find(name);
      if (f == nullptr)
        return fail(errc::not_found, "{}: has no {}", snapshot_.name, name);
      if (f->sha256.empty())
        return fail(errc::unsupported, "{}: {} has no SHA-256 in the listing", snapshot_.name,
                    name);
      shards_.push_back(f);
      total_ += f->bytes;
    }
    return {};
  }

  result<void> fetch_heads() {
    heads_.clear();
    for (const auto* f : shards_) {
      const auto first = planned(*f, {0, std::min(first_head_bytes, f->bytes)});
      LARQL_TRY_VOID(fetcher_.fetch({first}, false));
      std::byte length[8] = {};
      LARQL_TRY(const auto in, file::open(find_local(layout_, first).path));
      LARQL_TRY_VOID(in.read(0, std::span{length}.first(std::min<std::uint64_t>(8, f->bytes))));
      const auto bytes = std::min({load_u64(length, 0), max_head_bytes, f->bytes}) + 8;
      heads_.push_back(std::min(bytes, f->bytes));
      LARQL_TRY_VOID(fetcher_.fetch({planned(*f, {0, heads_.back()})}, false));
    }
    return {};
  }

  result<void> fill(const import::extract_plan& plan, const fs::path& dir) {
    note_ = read_stream_note(dir);
    auto out = import::arriving_extract{plan, dir, pool_};
    if (note_.empty()) {
      LARQL_TRY_VOID(
          check_free_space(dir, out.total_bytes() + 2 * options_.window_bytes + spare_bytes));
      if (options_.on_start)
        options_.on_start(total_, out.total_bytes());
    }
    LARQL_TRY_VOID(out.open());
    before_ = 0;
    for (auto i = 0u; i < shards_.size(); ++i) {
      if (!note_[shards_[i]->path].checked)
        LARQL_TRY_VOID(take(i, out, dir));
      before_ += shards_[i]->bytes;
    }
    return out.finish([this](std::uint64_t, const fs::path&) {
      return !options_.pull.http.stop.stop_requested();
    });
  }

  // One file, from where it was left to its end.
  result<void> take(std::uint32_t i, import::arriving_extract& out, const fs::path& dir) {
    const auto& f = *shards_[i];
    const auto path = layout_.part(f.path);
    auto& noted = note_[f.path];
    if (noted.bytes > f.bytes)
      noted = {};
    if (noted.bytes == 0) // what came for another vindex was given back
      LARQL_TRY_VOID(drop_journal(f.path));
    auto hash = noted.bytes == 0 ? sha256{} : sha256::from_middle(noted.middle, noted.bytes);
    auto trouble = std::optional<failure>{}; // numbers that are none: perhaps the bytes are wrong
    const auto start = before_;
    for (auto at = noted.bytes; at < f.bytes;) {
      const auto end = std::min(at + options_.window_bytes, f.bytes);
      before_ = start + at;
      LARQL_TRY_VOID(fetcher_.fetch({planned(f, {out.needed_from(i, at), end})}, true));
      LARQL_TRY_VOID(add_to(hash, path, {at, end}));
      if (!trouble) {
        auto taken = out.take(i, {at, end});
        if (!taken && taken.error().code != errc::corrupt)
          return taken;
        if (!taken)
          trouble = std::move(taken).error();
      }
      at = end;
      if (trouble || at == f.bytes)
        continue;
      LARQL_TRY_VOID(out.sync());
      noted = {at, hash.middle(), false};
      LARQL_TRY_VOID(save(dir));
      give_back(path, {heads_[i], out.needed_from(i, at)});
    }
    before_ = start;
    if (to_hex(hash.finish()) != f.sha256)
      return forget(f, dir);
    if (trouble)
      return *std::move(trouble);
    LARQL_TRY_VOID(out.sync());
    noted = {f.bytes, {}, true};
    LARQL_TRY_VOID(save(dir));
    give_back(path, {heads_[i], f.bytes});
    return {};
  }

  // Everything of a file that was wrong.
  result<void> forget(const remote_file& f, const fs::path& dir) {
    wrong_file_ = f.path;
    note_.erase(f.path);
    LARQL_TRY_VOID(save(dir));
    LARQL_TRY_VOID(drop_journal(f.path));
    return fail(errc::corrupt, "{}: has another SHA-256 than the repository says", f.path);
  }

  result<void> save(const fs::path& dir) const {
    return write_text_file(dir / stream_note_file, write_stream_note(note_));
  }

  // Then nothing of the file is here.
  result<void> drop_journal(std::string_view name) const {
    auto error = std::error_code{};
    fs::remove(layout_.journal(name), error);
    return error ? fail(errc::io, "{}: remove: {}", layout_.journal(name).string(), error.message())
                 : result<void>{};
  }

  result<void> drop(std::string_view name) const {
    auto error = std::error_code{};
    fs::remove(layout_.part(name), error);
    return error ? fail(errc::io, "{}: remove: {}", layout_.part(name).string(), error.message())
                 : drop_journal(name);
  }

  result<void> remove_leftovers() const {
    for (const auto& f : snapshot_.files)
      if (is_of_checkpoint(f.path))
        LARQL_TRY_VOID(drop(f.path));
    return {};
  }

  const repo& from_;
  pull_layout layout_;
  const fs::path& destination_;
  compute_pool& pool_;
  const checkpoint_pull_options& options_;
  pull_options window_; ///< of one fetch
  hub_client hub_;
  file_fetcher fetcher_;

  snapshot snapshot_;
  std::vector<const remote_file*> shards_;
  std::vector<std::uint64_t> heads_; ///< bytes of the shards' heads
  stream_note note_;
  std::uint64_t total_ = 0;  ///< bytes of all shards
  std::uint64_t before_ = 0; ///< of them, those before the window
  std::string wrong_file_;   ///< whose hash was wrong; empty: none
};

} // namespace

std::string checkpoint_identity(const snapshot& s) {
  auto contents = std::vector<std::string>{};
  for (const auto& f : s.files)
    if (is_of_checkpoint(f.path))
      contents.push_back(f.path + " " + f.content_name());
  return import::identity_of(contents);
}

result<void> pull_checkpoint(const repo& from, const fs::path& to, const fs::path& destination,
                             compute_pool& pool, const checkpoint_pull_options& options) {
  return checkpoint_puller{from, to, destination, pool, options}.run();
}

} // namespace larql::hub
