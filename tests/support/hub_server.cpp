#include "tests/support/hub_server.hpp"

#include "runtime/base/file_hash.hpp"
#include "runtime/hub/git_blob.hpp"
#include "tests/support/files.hpp"
#include "tests/support/json_text.hpp"
#include "tests/support/temporary_directory.hpp"

#include <memory>
#include <sstream>

namespace larql::test {

namespace {

http_reply error(int status, const std::string& text, const std::string& code = "") {
  auto out = http_reply{status, json{{"error", text}}.dump(), {}, false};
  if (!code.empty())
    out.headers.push_back("X-Error-Code: " + code);
  return out;
}
http_reply answer(const json& j) {
  return {200, json_text(j), {"Content-Type: application/json"}, false};
}

// "/api/models/o/n/tree/main" without a prefix; nothing if it has another.
std::optional<std::string> after(const std::string& text, const std::string& prefix) {
  return text.starts_with(prefix) ? std::optional{text.substr(prefix.size())} : std::nullopt;
}

std::string path_of(const std::string& target) {
  return target.substr(0, target.find('?'));
}

std::string query(const std::string& target, const std::string& name) {
  const auto at = target.find(name + "=");
  if (at == std::string::npos)
    return {};
  const auto begin = at + name.size() + 1;
  return target.substr(begin, target.find('&', begin) - begin);
}

std::string from_base64(const std::string& text) {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  auto out = std::string{};
  auto bits = 0u, count = 0u;
  for (const auto c : text) {
    const auto d = digits.find(c);
    if (d == std::string_view::npos)
      continue;
    bits = bits << 6 | static_cast<unsigned>(d);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>(bits >> count & 0xff);
    }
  }
  return out;
}

} // namespace

std::string sha256_of(const std::string& content) {
  return to_hex(hash_bytes(std::as_bytes(std::span{content})));
}

std::string git_blob_of(const std::string& content) {
  const auto dir = temporary_directory{};
  write_file(dir / "blob", content);
  return hub::name_file(dir / "blob", {})->git_blob;
}

hub_server::hub_server()
    : storage_(
          std::make_unique<http_server>([this](const http_call& c) { return answer_storage(c); })),
      hub_(std::make_unique<http_server>([this](const http_call& c) { return answer_hub(c); })) {}

child_process::variables hub_server::environment(const std::string& with_token) const {
  return {{"HF_ENDPOINT", endpoint()},
          {"HF_TOKEN", with_token},
          {"HF_HOME", "/nonexistent"},
          {"no_proxy", "127.0.0.1"}};
}

void hub_server::forget_calls() {
  hub_->forget_calls();
  storage_->forget_calls();
}

std::size_t hub_server::token_leaks() const {
  auto n = std::size_t{0};
  for (const auto& c : storage_->calls())
    n += c.header("authorization").empty() ? 0 : 1;
  return n;
}

std::string hub_server::add_version(const std::string& repo, file_tree files) {
  auto& r = repos_[repo];
  auto all = r.versions.empty() ? file_tree{} : r.versions.back().files;
  for (auto& [path, content] : files) {
    if (content.size() >= lfs_bytes)
      objects_[sha256_of(content)] = content;
    all[path] = std::move(content);
  }
  const auto hash = sha256_of(fmt::format("commit {}", ++commits_)).substr(0, 40);
  r.versions.push_back({hash, std::move(all)});
  return hash;
}

std::string hub_server::commit(const std::string& repo, const file_tree& files) {
  const auto lock = std::lock_guard{mutex_};
  return add_version(repo, files);
}

std::string hub_server::commit_directory(const std::string& repo,
                                         const std::filesystem::path& dir) {
  return commit(repo, read_tree(dir));
}

file_tree hub_server::files(const std::string& repo) const {
  const auto lock = std::lock_guard{mutex_};
  const auto it = repos_.find(repo);
  return it == repos_.end() || it->second.versions.empty() ? file_tree{}
                                                           : it->second.versions.back().files;
}

std::vector<std::string> hub_server::repositories() const {
  const auto lock = std::lock_guard{mutex_};
  auto out = std::vector<std::string>{};
  for (const auto& [name, r] : repos_)
    out.push_back(name);
  return out;
}

std::set<std::string> hub_server::stored() const {
  const auto lock = std::lock_guard{mutex_};
  auto out = std::set<std::string>{};
  for (const auto& [oid, content] : objects_)
    out.insert(oid);
  return out;
}

bool hub_server::is_private(const std::string& repo) const {
  const auto lock = std::lock_guard{mutex_};
  return repos_.at(repo).is_private;
}

void hub_server::forget_uploads() {
  const auto lock = std::lock_guard{mutex_};
  uploads_.clear();
}

std::size_t hub_server::open_uploads() const {
  const auto lock = std::lock_guard{mutex_};
  return uploads_.size();
}

const hub_server::version* hub_server::find(const std::string& repo, const std::string& rev) const {
  const auto it = repos_.find(repo);
  if (it == repos_.end() || it->second.versions.empty())
    return nullptr;
  if (rev == "main")
    return &it->second.versions.back();
  for (const auto& v : it->second.versions)
    if (v.hash == rev)
      return &v;
  return nullptr;
}

http_reply hub_server::answer_hub(const http_call& call) {
  const auto lock = std::lock_guard{mutex_};
  const auto path = path_of(call.target);
  if (path == "/api/repos/create")
    return create(call);
  if (path.ends_with(".git/info/lfs/objects/batch"))
    return lfs_batch(call);
  if (path == "/lfs/verify")
    return lfs_verify(call);
  // "/api/models/OWNER/NAME/WHAT/REST" or "/OWNER/NAME/resolve/REST"
  const auto rest = after(path, "/api/models/").value_or(path.substr(1));
  auto words = std::vector<std::string>{};
  auto in = std::istringstream{rest};
  for (auto word = std::string{}; std::getline(in, word, '/');)
    words.push_back(word);
  if (words.size() < 2)
    return error(404, "no such page");
  const auto repo = words[0] + "/" + words[1];
  const auto seen = repos_.contains(repo) &&
                    (knows(call) || (!secret_repos.contains(repo) && !repos_[repo].is_private));
  if (!seen)
    return knows(call) ? error(404, "Repository not found", "RepoNotFound")
                       : error(401, "Invalid username or password.", "RepoNotFound");
  if (words.size() == 2)
    return answer({{"id", repo}});
  const auto what = words[2];
  auto tail = rest.substr(repo.size() + what.size() + 2);
  if (what == "revision")
    return revision(call, repo, tail);
  if (what == "tree")
    return tree(call, repo, tail);
  if (what == "resolve")
    return resolve(call, repo, tail);
  if (!knows(call))
    return error(403, "You do not have the right to write.");
  if (what == "preupload")
    return preupload(call);
  if (what == "commit")
    return take_commit(call, repo);
  return error(404, "no such page");
}

http_reply hub_server::revision(const http_call&, const std::string& repo, const std::string& rev) {
  const auto* v = find(repo, rev);
  return v == nullptr ? error(404, "Invalid rev id: " + rev, "RevisionNotFound")
                      : answer({{"id", repo}, {"sha", v->hash}, {"private", false}});
}

http_reply hub_server::tree(const http_call& call, const std::string& repo,
                            const std::string& rev) {
  const auto* v = find(repo, rev);
  if (v == nullptr)
    return error(404, "Invalid rev id: " + rev, "RevisionNotFound");
  auto list = json::array();
  list.push_back(
      {{"type", "directory"}, {"path", "layers"}, {"oid", std::string(40, '0')}, {"size", 0}});
  const auto from = std::strtoull(query(call.target, "cursor").c_str(), nullptr, 10);
  auto at = std::size_t{0};
  for (const auto& [path, content] : v->files) {
    if (at >= from && at < from + files_per_page) {
      auto f = json{{"type", "file"}, {"path", path}, {"size", content.size()}};
      if (content.size() >= lfs_bytes) {
        f["oid"] = std::string(40, 'a');
        f["lfs"] = {{"oid", sha256_of(content)}, {"size", content.size()}, {"pointerSize", 134}};
      } else {
        f["oid"] = git_blob_of(content);
      }
      list.push_back(f);
    }
    ++at;
  }
  auto out = answer(list);
  if (from + files_per_page < v->files.size())
    out.headers.push_back(
        fmt::format("Link: <{}/api/models/{}/tree/{}?recursive=true&cursor={}>; rel=\"next\"",
                    endpoint(), repo, rev, from + files_per_page));
  return out;
}

http_reply hub_server::resolve(const http_call& call, const std::string& repo,
                               const std::string& rest) {
  const auto slash = rest.find('/');
  const auto* v = find(repo, rest.substr(0, slash));
  if (v == nullptr)
    return error(404, "Invalid rev id", "RevisionNotFound");
  if (gated_repos.contains(repo) && !knows(call))
    return error(call.header("authorization").empty() ? 401 : 403,
                 "Access to model " + repo + " is restricted.", "GatedRepo");
  const auto it = v->files.find(rest.substr(slash + 1));
  if (it == v->files.end())
    return error(404, "Entry not found", "EntryNotFound");
  if (it->second.size() < lfs_bytes)
    return {200, it->second, {"X-Repo-Commit: " + v->hash}, true};
  const auto oid = sha256_of(it->second);
  return {302,
          "",
          {fmt::format("Location: {}/blob/{}?Signature=secret&Expires=1", storage_->url(), oid),
           fmt::format("X-Linked-Etag: \"{}\"", oid),
           fmt::format("X-Linked-Size: {}", it->second.size()), "X-Repo-Commit: " + v->hash},
          false};
}

http_reply hub_server::create(const http_call& call) {
  if (!knows(call))
    return error(401, "Invalid username or password.");
  const auto asked = parse_json_text(call.body);
  const auto repo =
      asked.at("organization").get<std::string>() + "/" + asked.at("name").get<std::string>();
  if (repos_.contains(repo))
    return error(409, "You already created this model repo");
  repos_[repo].is_private = asked.value("private", false);
  add_version(repo, {{".gitattributes", "*.bin filter=lfs\n"}});
  return answer({{"url", endpoint() + "/" + repo}});
}

http_reply hub_server::preupload(const http_call& call) {
  auto out = json::array();
  const auto asked = parse_json_text(call.body);
  for (const auto& f : asked.at("files"))
    out.push_back({{"path", f.at("path")},
                   {"uploadMode", f.at("size").get<std::size_t>() >= lfs_bytes ? "lfs" : "regular"},
                   {"shouldIgnore", false}});
  return answer({{"files", out}});
}

http_reply hub_server::lfs_batch(const http_call& call) {
  if (!knows(call))
    return error(401, "Invalid username or password.");
  auto out = json::array();
  const auto asked = parse_json_text(call.body);
  for (const auto& o : asked.at("objects")) {
    const auto oid = o.at("oid").get<std::string>();
    const auto size = o.at("size").get<std::uint64_t>();
    auto entry = json{{"oid", oid}, {"size", size}, {"authenticated", true}};
    if (!objects_.contains(oid)) {
      auto upload = json{{"href", storage_->url() + "/upload/" + oid + "?Signature=secret"}};
      if (part_bytes != 0 && size > part_bytes) {
        const auto id = fmt::format("{}-{}", oid.substr(0, 16), ++begun_uploads_);
        uploads_[id].oid = oid;
        upload["href"] = storage_->url() + "/complete/" + id + "?Signature=secret";
        upload["header"]["chunk_size"] = std::to_string(part_bytes);
        for (auto n = 1u; (n - 1) * part_bytes < size; ++n)
          upload["header"][fmt::format("{:05}", n)] =
              fmt::format("{}/part/{}/{}?Signature=secret", storage_->url(), id, n);
      }
      entry["actions"] = {{"upload", upload}, {"verify", {{"href", endpoint() + "/lfs/verify"}}}};
    }
    out.push_back(entry);
  }
  return answer({{"transfer", part_bytes != 0 ? "multipart" : "basic"}, {"objects", out}});
}

http_reply hub_server::lfs_verify(const http_call& call) {
  if (!knows(call))
    return error(401, "Invalid username or password.");
  const auto asked = parse_json_text(call.body);
  const auto it = objects_.find(asked.at("oid").get<std::string>());
  if (it == objects_.end() || it->second.size() != asked.at("size").get<std::size_t>())
    return error(404, "Object not found");
  return answer(json::object());
}

http_reply hub_server::take_commit(const http_call& call, const std::string& repo) {
  auto files = file_tree{};
  auto lines = std::istringstream{call.body};
  for (auto line = std::string{}; std::getline(lines, line);) {
    const auto entry = parse_json_text(line);
    const auto& value = entry.at("value");
    const auto key = entry.at("key").get<std::string>();
    if (key == "header") {
      if (value.contains("parentCommit") &&
          value.at("parentCommit") != repos_[repo].versions.back().hash)
        return error(412, "A commit has happened since.");
    } else if (key == "file") {
      files[value.at("path")] = from_base64(value.at("content"));
    } else {
      const auto it = objects_.find(value.at("oid").get<std::string>());
      if (it == objects_.end())
        return error(400, "Object was not uploaded");
      files[value.at("path")] = it->second;
    }
  }
  const auto hash = add_version(repo, std::move(files));
  return answer({{"success", true},
                 {"commitOid", hash},
                 {"commitUrl", endpoint() + "/" + repo + "/commit/" + hash}});
}

http_reply hub_server::answer_storage(const http_call& call) {
  const auto lock = std::lock_guard{mutex_};
  const auto path = path_of(call.target);
  if (!call.header("authorization").empty())
    return {400, "<Error>Only one auth mechanism allowed</Error>", {}, false};
  if (const auto oid = after(path, "/blob/")) {
    const auto it = objects_.find(*oid);
    return it == objects_.end() ? http_reply{404, "<Error/>", {}, false}
                                : http_reply{200, it->second, {}, true};
  }
  if (const auto oid = after(path, "/upload/")) {
    if (sha256_of(call.body) != *oid)
      return {400, "<Error>BadDigest</Error>", {}, false};
    objects_[*oid] = call.body;
    return {};
  }
  if (const auto part = after(path, "/part/")) {
    const auto slash = part->find('/');
    return take_part(call, part->substr(0, slash), std::atoi(part->c_str() + slash + 1));
  }
  if (const auto id = after(path, "/complete/"))
    return complete_upload(call, *id);
  return {404, "", {}, false};
}

http_reply hub_server::take_part(const http_call& call, const std::string& id, int number) {
  const auto it = uploads_.find(id);
  if (it == uploads_.end())
    return {404, "<Error>NoSuchUpload</Error>", {}, false};
  it->second.parts[number] = call.body;
  return {200, "", {"ETag: \"" + sha256_of(call.body).substr(0, 32) + "\""}, false};
}

http_reply hub_server::complete_upload(const http_call& call, const std::string& id) {
  const auto it = uploads_.find(id);
  if (it == uploads_.end())
    return {404, "<Error>NoSuchUpload</Error>", {}, false};
  auto& [oid, parts] = it->second;
  auto whole = std::string{};
  const auto asked = parse_json_text(call.body);
  for (const auto& p : asked.at("parts")) {
    const auto& content = parts[p.at("partNumber").get<int>()];
    if (p.at("etag") != "\"" + sha256_of(content).substr(0, 32) + "\"")
      return {400, "<Error>InvalidPart</Error>", {}, false};
    whole += content;
  }
  if (sha256_of(whole) != oid)
    return {400, "<Error>BadDigest</Error>", {}, false};
  objects_[oid] = whole;
  auto out = answer({{"oid", oid}});
  uploads_.erase(it);
  return out;
}

} // namespace larql::test
