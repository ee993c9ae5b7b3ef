// text/jinja/objects.cpp - loops, macros, namespaces, and the functions that every template has.
#include "text/jinja/objects.h"

#include <algorithm>
#include <array>

#include "text/jinja/error.h"
#include "text/jinja/integer.h"
#include "text/jinja/operators.h"

namespace hearth::text::jinja {

Binding bind(const Arguments& arguments, std::string_view what, std::initializer_list<std::string_view> names,
             std::size_t n_required) {
    Binding bound(names.size());
    if (arguments.positional.size() > names.size())
        raise("{}() takes at most {} arguments, saw {}", what, names.size(), arguments.positional.size());
    for (std::size_t i = 0; i < arguments.positional.size(); ++i) bound[i] = arguments.positional[i];
    for (const auto& [name, value] : arguments.named) {
        const auto* found = std::find(names.begin(), names.end(), name);
        if (found == names.end()) raise("{}() got an unexpected keyword argument '{}'", what, name);
        auto& slot = bound[static_cast<std::size_t>(found - names.begin())];
        if (slot) raise("{}() got multiple values for argument '{}'", what, name);
        slot = value;
    }
    for (std::size_t i = 0; i < n_required; ++i)
        if (!bound[i]) raise("{}() missing the argument '{}'", what, names.begin()[i]);
    return bound;
}

namespace {
constexpr int kPrintedDepthMax = 8;  // of namespaces within each other
}

std::optional<Value> Namespace::attribute(std::string_view name) const {
    const auto found = values_.find(std::string(name));
    return found == values_.end() ? std::nullopt : std::optional(found->second);
}

void Namespace::set(const std::string& name, const Value& value) {
    if (name.starts_with('_'))
        raise(
            "Chat templates cannot store underscore-prefixed attributes on a namespace, but got {}. Please "
            "rename the attribute.",
            repr(Value(name)));
    const auto [at, is_new] = values_.insert_or_assign(name, value);
    if (is_new) order_.push_back(name);
}

std::string Namespace::print() const {
    static thread_local int printing = 0;  // a namespace may hold itself
    struct Level {
        Level() { ++printing; }
        ~Level() { --printing; }
    } const level;
    if (printing > kPrintedDepthMax)
        raise("maximum recursion depth exceeded while getting the repr of an object");
    std::string out = "<Namespace {";
    for (const std::string& name : order_) {
        if (out.back() != '{') out += ", ";
        append_text_repr(out, name);
        out += ": " + repr(values_.at(name));
    }
    return out + "}>";
}

std::optional<Value> Macro::attribute(std::string_view name) const {
    if (name == "name") return Value(statement_->text);
    if (name == "catch_varargs") return Value(statement_->uses_varargs);
    if (name == "catch_kwargs") return Value(statement_->uses_kwargs);
    if (name == "caller") return Value(statement_->uses_caller);
    if (name != "arguments") return std::nullopt;
    Values names;
    for (const Parameter& parameter : statement_->parameters) names.emplace_back(parameter.name);
    return Value::tuple(std::move(names));
}

Value Macro::call(Interpreter& interpreter, const Arguments& arguments) {
    return Value(interpreter.run_macro(*statement_, scope, arguments), interpreter.autoescape());
}

namespace {
Value loop_cycle(Object& self, const Arguments& arguments) {
    return static_cast<Loop&>(self).cycle(arguments);
}
Value loop_changed(Object& self, const Arguments& arguments) {
    return static_cast<Loop&>(self).changed(arguments);
}
Value cycler_next(Object& self, const Arguments&) { return static_cast<Cycler&>(self).next(); }
Value cycler_reset(Object& self, const Arguments&) {
    static_cast<Cycler&>(self).reset();
    return Value::none();
}
// A method that keeps its object alive. The interpreter and its values own every object through shared_ptr.
Value method(const Object& self, ObjectMethod::Body body);
}  // namespace

std::optional<Value> Loop::attribute(std::string_view name) const {
    const auto number = [](std::size_t n) { return Value(static_cast<std::int64_t>(n)); };
    const bool counts = name == "revindex" || name == "revindex0" || name == "length";
    while (counts && has(items_->size())) continue;
    const std::size_t n = items_->size();
    if (name == "index") return number(at + 1);
    if (name == "index0") return number(at);
    if (name == "revindex") return number(n - at);
    if (name == "revindex0") return number(n - at - 1);
    if (name == "first") return Value(at == 0);
    if (name == "last") return Value(!has(at + 1));
    if (name == "length") return number(n);
    if (name == "depth") return Value(static_cast<std::int64_t>(level_ + 1));
    if (name == "depth0") return Value(static_cast<std::int64_t>(level_));
    if (name == "previtem") return at > 0 ? (*items_)[at - 1] : Value::undefined("there is no previous item");
    if (name == "nextitem")
        return has(at + 1) ? (*items_)[at + 1] : Value::undefined("there is no next item");
    if (name == "cycle") return method(*this, loop_cycle);
    if (name == "changed") return method(*this, loop_changed);
    return std::nullopt;
}

Value Loop::cycle(const Arguments& arguments) const {
    if (arguments.positional.empty()) raise("no items for cycling given");
    return arguments.positional[at % arguments.positional.size()];
}

Value Loop::changed(const Arguments& arguments) {
    const Values& now = arguments.positional;
    const bool same = last_changed_ && last_changed_->size() == now.size() &&
                      std::equal(now.begin(), now.end(), last_changed_->begin(), equal);
    if (!same) last_changed_ = now;
    return Value(!same);
}

Value Loop::call(Interpreter& interpreter, const Arguments& arguments) {
    if (!statement_->recursive) raise("The loop must have the 'recursive' marker to be called recursively.");
    const Binding b = bind(arguments, "loop", {"iterable"}, 1);
    return Value(interpreter.run_loop(*statement_, scope, *b[0], level_ + 1), interpreter.autoescape());
}

Cycler::Cycler(Values items) : items_(std::move(items)) {
    if (items_.empty()) raise("at least one item has to be provided");
    for (const Value& item : items_) depth = std::max(depth, deeper_than(item));
}

std::optional<Value> Cycler::attribute(std::string_view name) const {
    if (name == "current") return items_[at_];
    if (name == "next") return method(*this, cycler_next);
    if (name == "reset") return method(*this, cycler_reset);
    return std::nullopt;
}

Value Cycler::next() {
    Value value = items_[at_];
    at_ = (at_ + 1) % items_.size();
    return value;
}

Value Joiner::call(Interpreter&, const Arguments& arguments) {
    bind(arguments, "joiner", {});
    if (used_) return separator_;
    used_ = true;
    return Value("");
}

namespace {

Value method(const Object& self, ObjectMethod::Body body) {
    // Only values hold objects, and always by shared_ptr.
    auto shared = std::const_pointer_cast<Object>(self.shared_from_this());
    return Value(std::shared_ptr<Object>(std::make_shared<ObjectMethod>(std::move(shared), body)));
}

// The sandbox of Jinja2 allows 100,000 numbers.
constexpr std::int64_t kRangeMax = 100'000;

Value make_range(Interpreter& interpreter, const Value&, const Arguments& arguments) {
    const Values& given = arguments.positional;
    if (!arguments.named.empty()) raise("range() takes no keyword arguments");
    if (given.empty()) raise("range expected at least 1 argument, got 0");
    if (given.size() > 3) raise("range expected at most 3 arguments, got {}", given.size());
    for (const Value& v : given)
        if (!v.is_integer() && !v.is_boolean())
            raise("'{}' object cannot be interpreted as an integer", type_name(v));
    const Value zero(std::int64_t{0}), one(std::int64_t{1});
    const auto whole = [](const Value& v) { return v.is_boolean() ? Value(v.integer()) : v; };
    RangeBounds bounds{given.size() > 1 ? whole(given[0]) : zero, whole(given[given.size() > 1 ? 1 : 0]),
                       given.size() > 2 ? whole(given[2]) : one};
    if (equal(bounds.step, zero)) raise("range() arg 3 must not be zero");
    const bool down = integer_is_negative(bounds.step);
    const Value &low = down ? bounds.stop : bounds.start, &high = down ? bounds.start : bounds.stop;
    Values items;
    if (compare(low, high) < 0) {
        const auto compute = [&](Op op, const Value& a, const Value& b) {
            return integer_arithmetic(interpreter, op, a, b);
        };
        const Value gap = compute(Op::sub, compute(Op::sub, high, low), one);
        const Value n = compute(Op::add, compute(Op::floordiv, gap, integer_absolute(bounds.step)), one);
        if (n.is_big()) raise(Fault::out_of_range, 0, "Python int too large to convert to C ssize_t");
        if (n.integer() > kRangeMax)
            raise(Fault::out_of_range, 0,
                  "Range too big. The sandbox blocks ranges larger than MAX_RANGE ({}).", kRangeMax);
        const auto count = static_cast<std::size_t>(n.integer());
        interpreter.charge(count * sizeof(Value));
        items.reserve(count);
        items.push_back(bounds.start);
        while (items.size() < count) items.push_back(compute(Op::add, items.back(), bounds.step));
    }
    Value range = Value::sequence(SequenceKind::range, std::move(items));
    range.sequence().range = std::make_shared<const RangeBounds>(std::move(bounds));
    return range;
}

// From a mapping or pairs, and names.
void merge_arguments(const Arguments& arguments, std::string_view what,
                     const std::function<void(Value, Value)>& set) {
    if (arguments.positional.size() > 1) raise("{} expected at most 1 argument", what);
    if (!arguments.positional.empty()) {
        const Value& from = arguments.positional[0];
        if (from.is_dict()) {
            for (const auto& [key, value] : from.dict().items) set(key, value);
        } else {
            for (const Value& pair : iterate(from)) {
                Values two = iterate(pair);
                if (two.size() != 2) raise("{}: expected pairs, saw {} items", what, two.size());
                set(two[0], two[1]);
            }
        }
    }
    for (const auto& [name, value] : arguments.named) set(arguments.name_value(name), value);
}

Value make_dict(Interpreter& interpreter, const Value&, const Arguments& arguments) {
    auto dict = std::make_shared<Dict>();
    merge_arguments(arguments, "dict", [&](Value key, Value value) {
        interpreter.charge(2 * sizeof(Value));
        dict->set(std::move(key), std::move(value));
    });
    return Value(std::shared_ptr<const Dict>(std::move(dict)));
}

Value lipsum(Interpreter&, const Value&, const Arguments&) {
    raise(Fault::unsupported, 0, "lipsum() is refused: it makes another text at each render");
}

Value make_namespace(Interpreter& interpreter, const Value&, const Arguments& arguments) {
    auto made = std::make_shared<Namespace>();
    merge_arguments(arguments, "namespace", [&](const Value& key, const Value& value) {
        made->set(as_text(key, "namespace"), value);
    });
    interpreter.keep(made);
    return Value(std::shared_ptr<Object>(std::move(made)));
}

Value make_cycler(Interpreter&, const Value&, const Arguments& arguments) {
    return Value(std::shared_ptr<Object>(std::make_shared<Cycler>(arguments.positional)));
}

Value make_joiner(Interpreter&, const Value&, const Arguments& arguments) {
    const Binding b = bind(arguments, "joiner", {"sep"});
    return Value(std::shared_ptr<Object>(std::make_shared<Joiner>(b[0] ? *b[0] : Value(", "))));
}

Value raise_exception(Interpreter&, const Value&, const Arguments& arguments) {
    const Binding b = bind(arguments, "raise_exception", {"message"}, 1);
    raise("the template refuses: {}", to_text(*b[0]));
}

Value strftime_now(Interpreter& interpreter, const Value&, const Arguments& arguments) {
    const Binding b = bind(arguments, "strftime_now", {"format"}, 1);
    const std::string& format = as_text(*b[0], "strftime_now");
    if (format.size() > 1024)
        raise(Fault::out_of_range, 0, "strftime_now: expected at most 1024 bytes of format");
    const std::time_t now = interpreter.now();
    std::tm local{};
    localtime_r(&now, &local);
    std::array<char, 1 << 14> out{};
    const std::size_t n = std::strftime(out.data(), out.size(), format.c_str(), &local);
    return Value(std::string(out.data(), n), false, b[0]->author());
}

}  // namespace

// `dict` is a type, and has what can be asked of a type.
std::optional<Value> Function::attribute(std::string_view name) const {
    if (body_ != make_dict || name != "fromkeys") return std::nullopt;
    return Value(std::shared_ptr<Object>(std::make_shared<Function>("fromkeys", dict_from_keys)));
}

std::unordered_map<std::string, Value> builtin_globals() {
    std::unordered_map<std::string, Value> globals;
    static constexpr std::pair<const char*, Function::Body> kFunctions[] = {
        {"range", make_range},
        {"dict", make_dict},
        {"namespace", make_namespace},
        {"cycler", make_cycler},
        {"joiner", make_joiner},
        {"lipsum", lipsum},
        {"raise_exception", raise_exception},
        {"strftime_now", strftime_now},
    };
    for (const auto& [name, body] : kFunctions)
        globals[name] = Value(std::shared_ptr<Object>(std::make_shared<Function>(name, body)));
    return globals;
}

}  // namespace hearth::text::jinja
