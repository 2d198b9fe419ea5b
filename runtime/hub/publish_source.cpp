#include "runtime/hub/publish_source.hpp"

#include "runtime/base/file_writer.hpp"
#include "runtime/base/json.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/base/sha256.hpp"
#include "runtime/hub/repo.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/package/slice_plan.hpp"

#include <algorithm>
#include <sys/stat.h>

namespace larql::hub {

namespace {

namespace fs = std::filesystem;

bool is_unfinished(std::string_view name) {
  for (const auto tail : {".tmp", ".bak", ".orig", ".partial"})
    if (name.ends_with(tail))
      return true;
  return false;
}

published_file text_file(std::string_view name, std::string text) {
  auto out = published_file{};
  out.name = name;
  out.content.bytes = text.size();
  out.text = std::move(text);
  return out;
}

// Whether a file is still the one that was hashed.
std::string stamp_of(const fs::path& path) {
  struct stat s {};
  if (::stat(path.c_str(), &s) != 0)
    return {};
  return fmt::format("{} {}.{:09} {} {}", s.st_size, s.st_mtim.tv_sec, s.st_mtim.tv_nsec, s.st_ino,
                     s.st_dev);
}

// The notes are a convenience: unreadable ones are none.
json read_notes(const fs::path& path) {
  auto parsed =
      path.empty() ? fail(errc::not_found, "none") : parse_json_file(path, vindex::max_json_bytes);
  return parsed && parsed->is_object() ? *std::move(parsed) : json::object();
}

std::optional<file_names> noted(const json& notes, const fs::path& path, const std::string& stamp) {
  const auto it = notes.find(path.string());
  if (it == notes.end() || !it->is_object() || stamp.empty())
    return std::nullopt;
  const auto f = json_fields{*it, "notes"};
  const auto was = f.string("stamp"), sha256 = f.string("sha256"), blob = f.string("git_blob");
  const auto bytes = f.unsigned_integer("bytes", INT64_MAX);
  if (!was || *was != stamp || !bytes || !sha256 || sha256->size() != 64 || !blob ||
      blob->size() != 40)
    return std::nullopt;
  return file_names{*bytes, *sha256, *blob};
}

} // namespace

result<std::vector<published_file>> files_to_publish(const fs::path& dir) {
  auto out = std::vector<published_file>{};
  auto error = std::error_code{};
  auto it = fs::recursive_directory_iterator{dir, error};
  for (; !error && it != fs::recursive_directory_iterator{}; it.increment(error)) {
    const auto name = fs::relative(it->path(), dir).generic_string();
    if (it->path().filename().string().starts_with('.')) {
      it.disable_recursion_pending();
      continue;
    }
    if (!it->is_regular_file() || is_unfinished(name))
      continue;
    if (!is_harmless_path(name))
      return fail(errc::usage, "{}: has a name that cannot be published", it->path().string());
    auto f = published_file{};
    f.name = name;
    f.path = it->path();
    f.content.bytes = it->file_size();
    out.push_back(std::move(f));
  }
  if (error)
    return fail(errc::io, "{}: {}", dir.string(), error.message());
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

result<std::vector<published_file>> slice_to_publish(const fs::path& dir,
                                                     const vindex::preset& preset) {
  auto request = vindex::slice_request{};
  request.preset = preset.name;
  request.parts = preset.parts;
  LARQL_TRY(const auto plan, vindex::plan_slice(dir, request));
  auto out = std::vector<published_file>{};
  auto sums = vindex::checksums{};
  for (const auto& p : plan.files) {
    auto f = published_file{};
    f.name = p.name;
    f.path = dir / p.name;
    f.content.bytes = p.size_bytes;
    out.push_back(std::move(f));
    if (plan.known)
      if (const auto it = plan.known->files.find(p.name); it != plan.known->files.end())
        sums.files.insert(*it);
  }
  const auto add = [&](std::string_view name, std::string text) {
    sums.files[std::string{name}] = {text.size(), hash_bytes(std::as_bytes(std::span{text}))};
    out.push_back(text_file(name, std::move(text)));
  };
  add(vindex::index_file, plan.index);
  add(vindex::slice_file, write_presence(plan.here));
  if (plan.known) {
    sums.layers = plan.known->layers;
    out.push_back(text_file(vindex::checksums_file, write_checksums(sums)));
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

result<void> name_contents(std::vector<published_file>& files, const fs::path& notes_path,
                           const std::function<bool(std::uint64_t)>& on_read) {
  auto notes = read_notes(notes_path);
  auto done = std::uint64_t{0};
  for (auto& f : files) {
    if (f.path.empty()) {
      f.content = name_bytes(std::as_bytes(std::span{f.text}));
      continue;
    }
    const auto stamp = stamp_of(f.path);
    if (const auto known = noted(notes, f.path, stamp)) {
      f.content = *known;
      if (on_read && !on_read(done + f.content.bytes))
        return fail(errc::cancelled, "stopped");
    } else {
      LARQL_TRY(f.content, name_file(f.path, [&](std::uint64_t bytes) {
                  return !on_read || on_read(done + bytes);
                }));
      notes[f.path.string()] = {{"stamp", stamp},
                                {"bytes", f.content.bytes},
                                {"sha256", f.content.sha256},
                                {"git_blob", f.content.git_blob}};
      if (!notes_path.empty()) // failing costs no more than the next run's time
        static_cast<void>(
            write_text_file(notes_path, notes.dump(1, ' ', false, json::error_handler_t::replace)));
    }
    done += f.content.bytes;
  }
  return {};
}

} // namespace larql::hub
