#include "cli/serve/server/identity.hpp"

#include <chrono>
#include <random>

namespace larql::serve {

std::string random_id() {
  constexpr std::string_view digits =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  auto device = std::random_device{}; // the system's, for each letter
  auto choose = std::uniform_int_distribution<std::size_t>{0, digits.size() - 1};
  auto out = std::string(24, '0');
  for (auto& c : out)
    c = digits[choose(device)];
  return out;
}

answer_identity new_identity(std::string model) {
  using namespace std::chrono;
  const auto now = duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
  return {random_id(), now / 1000, now % 1000, std::move(model)};
}

} // namespace larql::serve
