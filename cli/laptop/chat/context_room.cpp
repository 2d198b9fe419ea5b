#include "cli/laptop/chat/context_room.hpp"

#include <algorithm>

namespace larql::cli {

std::size_t turns_to_leave_out(const prompt_size& size, std::size_t max_answer,
                               std::size_t removable) {
  const auto wanted = std::max<std::size_t>(1, std::min(size.context / 4, max_answer));
  if (size.total + wanted <= size.context)
    return 0;
  auto left = size.total;
  auto before = size.system;
  auto turns = std::size_t{0};
  while (turns < removable && left > size.context / 2 && 2 * turns + 1 < size.message_ends.size()) {
    const auto end = size.message_ends[2 * turns + 1];
    left -= end - before;
    before = end;
    ++turns;
  }
  return left < size.context ? turns : 0;
}

} // namespace larql::cli
