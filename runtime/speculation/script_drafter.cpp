#include "runtime/speculation/script_drafter.hpp"

#include "runtime/generate/random.hpp"

namespace larql::speculation {

class script_source::own_drafter final : public drafter {
public:
  explicit own_drafter(const script_source& from) : from_(from) {}

  void propose(const drafted_text& what, std::size_t most, generate::draft_tree& out) override {
    const auto text = what.tokens;
    constexpr auto unit = 9007199254740992.0; // 2^53, of random_bits
    out = {};
    for (auto at = text.size(); at < from_.text_.size() && out.size() < most; ++at) {
      const auto dice = static_cast<double>(generate::random_bits(from_.seed_, at)) / unit;
      const auto right = from_.text_[at];
      out.add(dice < from_.right_ ? right : (right + 1) % from_.vocab_,
              static_cast<std::int32_t>(out.size()) - 1, static_cast<float>(from_.right_));
    }
  }

private:
  const script_source& from_;
};

std::unique_ptr<drafter> script_source::begin(std::string_view) {
  return std::make_unique<own_drafter>(*this);
}

} // namespace larql::speculation
