#include "runtime/hub/publish.hpp"

#include "runtime/base/json.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/hub/http_error.hpp"
#include "runtime/hub/lfs_upload.hpp"
#include "runtime/hub/url.hpp"

#include <algorithm>
#include <map>

namespace larql::hub {

namespace {

constexpr std::size_t files_per_preupload = 256;
constexpr std::size_t sample_bytes = 512;
// Files that are no large ones go into the commit itself; the Hub makes all above 10 MB large.
constexpr std::uint64_t max_regular_bytes = 64 << 20;
constexpr auto slow_answer = std::chrono::seconds{300};

result<std::string> first_bytes(const published_file& f, std::uint64_t most) {
  if (f.path.empty())
    return f.text.substr(0, most);
  LARQL_TRY(const auto in, file::open(f.path));
  auto out = std::string(static_cast<std::size_t>(std::min(most, in.size_bytes())), '\0');
  LARQL_TRY_VOID(in.read(0, std::as_writable_bytes(std::span{out})));
  return out;
}

class publisher {
public:
  publisher(const repo& to, const publish_options& options)
      : to_(to), options_(options), hub_(options.http) {}

  result<publish_outcome> run(std::vector<published_file>& files,
                              const std::filesystem::path& notes) {
    if (options_.http.access.token.empty() && !options_.dry_run)
      return fail(errc::usage, "publishing needs a token that may write: set HF_TOKEN");
    LARQL_TRY_VOID(name_all(files, notes));
    LARQL_TRY_VOID(look_at_repository());
    auto changed = std::vector<const published_file*>{};
    for (const auto& f : files) {
      const auto it = remote_.find(f.name);
      const auto same =
          it != remote_.end() &&
          it->second == (it->second.size() == 64 ? f.content.sha256 : f.content.git_blob);
      if (same && !options_.force) {
        out_.same.push_back(f.name);
        continue;
      }
      changed.push_back(&f);
      out_.new_files.push_back(f.name);
      out_.new_bytes += f.bytes();
    }
    if (options_.dry_run || changed.empty())
      return out_;
    LARQL_TRY_VOID(make_repository());
    LARQL_TRY(const auto entries, send(changed, notes));
    LARQL_TRY_VOID(commit(entries));
    return out_;
  }

private:
  result<void> name_all(std::vector<published_file>& files, const std::filesystem::path& notes) {
    auto total = std::uint64_t{0};
    for (const auto& f : files)
      total += f.bytes();
    auto done = name_contents(files, notes, [&](std::uint64_t bytes) {
      if (options_.on_progress)
        options_.on_progress("hash", bytes, total, 0, "");
      return !options_.http.stop.stop_requested();
    });
    return done;
  }

  // What is there. A repository that cannot be seen may yet have to be made.
  result<void> look_at_repository() {
    auto commit = hub_.commit_of(to_);
    if (!commit) {
      const auto code = commit.error().code;
      const auto unseen = code == errc::not_found ||
                          (code == errc::unavailable && options_.http.access.token.empty() &&
                           commit.error().text.find("401") != std::string::npos);
      if (!unseen)
        return std::move(commit).error();
      out_.makes_repository = true;
      return {};
    }
    parent_ = *commit;
    LARQL_TRY(const auto list, hub_.files_of(to_, parent_));
    for (const auto& f : list)
      remote_[f.path] = f.content_name();
    return {};
  }

  result<void> make_repository() {
    if (!out_.makes_repository)
      return {};
    auto request = http_request{};
    request.method = "POST";
    request.url = hub_.endpoint() + "/api/repos/create";
    request.headers = {"Content-Type: application/json"};
    request.body = json{{"type", "model"},
                        {"name", to_.name},
                        {"organization", to_.owner},
                        {"private", options_.is_private}}
                       .dump();
    LARQL_TRY(const auto answer, hub_.http().exchange(std::move(request)));
    constexpr auto exists_already = 409; // made by another client since we looked
    if (!answer.ok() && answer.status != exists_already)
      return answer_error(answer, options_.http.access).in("create " + to_.id());
    LARQL_TRY(parent_, hub_.commit_of(to_));
    return {};
  }

  result<std::map<std::string, upload_mode>>
  ask_modes(const std::vector<const published_file*>& files) {
    auto out = std::map<std::string, upload_mode>{};
    for (auto at = std::size_t{0}; at < files.size(); at += files_per_preupload) {
      auto list = json::array();
      for (auto i = at; i < std::min(files.size(), at + files_per_preupload); ++i) {
        LARQL_TRY(const auto sample, first_bytes(*files[i], sample_bytes));
        list.push_back(
            {{"path", files[i]->name}, {"sample", to_base64(sample)}, {"size", files[i]->bytes()}});
      }
      auto request = http_request{};
      request.method = "POST";
      request.url = hub_.api_url(to_) + "/preupload/" + percent_encode(to_.revision, false);
      request.headers = {"Content-Type: application/json"};
      request.body = json{{"files", std::move(list)}}.dump();
      LARQL_TRY(const auto answer, hub_.http().exchange_ok(std::move(request)));
      LARQL_TRY(auto modes, parse_preupload(answer.body, without_secrets(answer.url)));
      for (auto& m : modes)
        out[m.path] = std::move(m);
    }
    return out;
  }

  // Uploads what is large.
  result<std::vector<commit_entry>> send(const std::vector<const published_file*>& files,
                                         const std::filesystem::path& notes) {
    LARQL_TRY(const auto modes, ask_modes(files));
    auto entries = std::vector<commit_entry>{};
    auto large = std::vector<const published_file*>{};
    auto large_bytes = std::uint64_t{0};
    for (const auto* f : files) {
      const auto mode = modes.find(f->name);
      if (mode == modes.end())
        return fail(errc::corrupt, "{}: the answer to preupload has no {}", to_.id(), f->name);
      if (mode->second.ignored) {
        if (options_.http.on_notice)
          options_.http.on_notice(f->name + ": left out, the repository's .gitignore names it");
        continue;
      }
      entries.push_back({f, mode->second.lfs});
      if (mode->second.lfs) {
        large.push_back(f);
        large_bytes += f->bytes();
      } else if (f->bytes() > max_regular_bytes) {
        return fail(errc::unsupported, "{}: has {} bytes and is not to be a large file", f->name,
                    f->bytes());
      }
    }
    auto o = upload_options{};
    o.connections = options_.connections;
    o.journals = notes.empty() ? notes : notes.parent_path() / "publish-uploads";
    o.on_progress = [&](std::uint64_t done, std::uint64_t had, const std::string& file) {
      if (options_.on_progress)
        options_.on_progress("upload", std::min(done, large_bytes), large_bytes, had, file);
    };
    LARQL_TRY(out_.sent_bytes, upload_objects(to_, options_.http, large, o));
    return entries;
  }

  result<void> commit(const std::vector<commit_entry>& entries) {
    auto request = http_request{};
    request.method = "POST";
    request.url = hub_.api_url(to_) + "/commit/" + percent_encode(to_.revision, false);
    request.headers = {"Content-Type: application/x-ndjson"};
    request.stall_timeout = slow_answer;
    LARQL_TRY(request.body, commit_body(entries, options_.message, parent_));
    LARQL_TRY(const auto answer, hub_.http().exchange_ok(std::move(request)));
    const auto where = without_secrets(answer.url);
    LARQL_TRY(const auto parsed, parse_json(answer.body, where));
    LARQL_TRY(out_.commit, (json_fields{parsed, where}.string("commitOid")));
    return {};
  }

  const repo& to_;
  const publish_options& options_;
  hub_client hub_;
  std::map<std::string, std::string> remote_; // content names by path
  std::string parent_;
  publish_outcome out_;
};

} // namespace

std::string to_base64(std::string_view bytes) {
  constexpr auto digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  auto out = std::string{};
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (auto i = std::size_t{0}; i < bytes.size(); i += 3) {
    const auto at = [&](std::size_t n) {
      return i + n < bytes.size() ? static_cast<unsigned char>(bytes[i + n]) : 0u;
    };
    const auto bits = at(0) << 16 | at(1) << 8 | at(2);
    out += digits[bits >> 18];
    out += digits[bits >> 12 & 63];
    out += i + 1 < bytes.size() ? digits[bits >> 6 & 63] : '=';
    out += i + 2 < bytes.size() ? digits[bits & 63] : '=';
  }
  return out;
}

result<std::string> commit_body(const std::vector<commit_entry>& entries,
                                const std::string& message, const std::string& parent) {
  auto header = json{{"summary", message}, {"description", ""}};
  if (!parent.empty()) // a commit in between must not be overwritten unseen
    header["parentCommit"] = parent;
  auto out = json{{"key", "header"}, {"value", std::move(header)}}.dump(
                 -1, ' ', false, json::error_handler_t::replace) + // a message of any bytes
             "\n";
  for (const auto& e : entries) {
    auto value = json{{"path", e.file->name}};
    if (e.lfs) {
      value["algo"] = "sha256";
      value["oid"] = e.file->content.sha256;
      value["size"] = e.file->bytes();
    } else {
      LARQL_TRY(const auto content, first_bytes(*e.file, e.file->bytes()));
      value["encoding"] = "base64";
      value["content"] = to_base64(content);
    }
    out += json{{"key", e.lfs ? "lfsFile" : "file"}, {"value", std::move(value)}}.dump() + "\n";
  }
  return out;
}

result<publish_outcome> publish(std::vector<published_file> files, const repo& to,
                                const std::filesystem::path& notes,
                                const publish_options& options) {
  return publisher{to, options}.run(files, notes);
}

} // namespace larql::hub
