#include "runtime/import/checkpoint.hpp"

#include <fmt/ranges.h>

namespace larql::import {

std::uint64_t source_tensor::rows() const {
  auto n = std::uint64_t{1};
  for (auto i = std::size_t{0}; i + 1 < shape.size(); ++i)
    n *= shape[i];
  return n;
}

result<const source_tensor*> checkpoint::find(const std::string& key,
                                              std::vector<std::uint64_t> shape) const {
  const auto it = tensors.find(key);
  if (it == tensors.end())
    return fail(errc::corrupt, "{}: tensor {} is missing", description, key);
  if (it->second.shape != shape)
    return fail(errc::mismatch, "{}: tensor {} has shape [{}], expected [{}]", description,
                it->second.name, fmt::join(it->second.shape, ", "), fmt::join(shape, ", "));
  return &it->second;
}

std::string stamp_of(const std::filesystem::path& path) {
  auto error = std::error_code{};
  const auto time = std::filesystem::last_write_time(path, error).time_since_epoch().count();
  return fmt::format("{}:{}:{};", path.filename().string(), std::filesystem::file_size(path, error),
                     time);
}

std::string identity_of(std::span<const std::string> contents) {
  auto hash = sha256{};
  auto text = std::string{"larql-content-2\n"};
  for (const auto& c : contents)
    text += c + '\n';
  hash.update(std::as_bytes(std::span{text}));
  return to_hex(hash.finish());
}

std::string checkpoint::identity() const {
  if (parts.empty())
    return {};
  if (!parts.front().content.empty()) {
    auto contents = std::vector<std::string>{};
    for (const auto& p : parts)
      contents.push_back(p.content);
    return identity_of(contents);
  }
  auto hash = sha256{};
  const auto add = [&](const std::string& text) { hash.update(std::as_bytes(std::span{text})); };
  add("larql-source-2\n");
  for (const auto& p : parts)
    add(fmt::format("{} {} {} {} {}\n", p.stamp.device, p.stamp.inode, p.stamp.bytes,
                    p.stamp.modified_ns, to_hex(p.head)));
  return to_hex(hash.finish());
}

} // namespace larql::import
