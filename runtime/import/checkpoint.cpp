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

} // namespace larql::import
