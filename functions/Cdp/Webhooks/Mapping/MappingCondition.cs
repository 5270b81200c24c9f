using System.Text.Json;

namespace Cdp.Webhooks.Mapping;

/// <summary>Whether something holds of a payload.</summary>
internal abstract class MappingCondition
{
    /// <summary>Null where it holds; else what does not, for people.</summary>
    public abstract string? Failing(MappingScope scope);
}

internal sealed class AllCondition(IReadOnlyList<MappingCondition> conditions) : MappingCondition
{
    public override string? Failing(MappingScope scope)
    {
        foreach (var condition in conditions)
        {
            if (condition.Failing(scope) is { } failing)
                return failing;
        }

        return null;
    }
}

internal sealed class AnyCondition(IReadOnlyList<MappingCondition> conditions) : MappingCondition
{
    public override string? Failing(MappingScope scope)
    {
        string? first = null;
        foreach (var condition in conditions)
        {
            if (condition.Failing(scope) is not { } failing)
                return null;
            first ??= failing;
        }

        return conditions.Count > 1 ? $"none of: {first}, and {conditions.Count - 1} more" : first ?? "none of no conditions";
    }
}

internal sealed class NotCondition(MappingCondition condition) : MappingCondition
{
    public override string? Failing(MappingScope scope) => condition.Failing(scope) is null ? "the condition under 'not' holds" : null;
}

/// <summary>
/// One operator on what a path leads to. Null is absent. <c>ne</c> is not <c>eq</c>, so true of what is absent; every other operator but
/// <c>exists</c> is false of it, and of a value of another kind.
/// </summary>
internal sealed class PathCondition(MappingPath path, string op, IReadOnlyList<JsonElement> operands, MappingPath? other) : MappingCondition
{
    public const string Operators = "eq, ne, in, exists, startsWith, endsWith, contains, gt, gte, lt, lte";

    public override string? Failing(MappingScope scope)
    {
        var present = path.TryFind(scope, out var value) && value.ValueKind != JsonValueKind.Null;
        return Holds(scope, present, value) ? null : present ? $"{path.Text} {op}" : $"{path.Text} {op} (it is absent)";
    }

    private bool Holds(MappingScope scope, bool present, JsonElement value)
    {
        switch (op)
        {
            case "exists":
                return present == operands[0].GetBoolean();
            case "eq":
                return present && EqualsOperand(scope, value);
            case "ne":
                return !present || !EqualsOperand(scope, value);
            case "in":
                return present && IsListed(value);
            case "gt" or "gte" or "lt" or "lte":
                return present && Conversions.Compare(value, operands[0]) is { } order
                    && (op == "gt" ? order > 0 : op == "gte" ? order >= 0 : op == "lt" ? order < 0 : order <= 0);
            case "contains" when value.ValueKind == JsonValueKind.Array:
                foreach (var entry in value.EnumerateArray())
                {
                    if (Conversions.AreEqual(entry, operands[0]))
                        return true;
                }

                return false;
            default:
                return present && value.ValueKind == JsonValueKind.String && operands[0].ValueKind == JsonValueKind.String
                    && Conversions.TextOrNull(value) is { } text && Conversions.TextOrNull(operands[0]) is { } operand && HoldsOfText(text, operand);
        }
    }

    private bool HoldsOfText(string text, string operand) => op switch
    {
        "startsWith" => text.StartsWith(operand, StringComparison.Ordinal),
        "endsWith" => text.EndsWith(operand, StringComparison.Ordinal),
        _ => text.Contains(operand, StringComparison.Ordinal),
    };

    private bool EqualsOperand(MappingScope scope, JsonElement value) =>
        other is null ? Conversions.AreEqual(value, operands[0]) : other.TryFind(scope, out var second) && (Conversions.AreEqual(value, second) || IsSameNumber(value, second) || IsSameNumber(second, value));

    /// <summary>Ids are numbers in one place of a payload and texts in another.</summary>
    private static bool IsSameNumber(JsonElement text, JsonElement number) =>
        text.ValueKind == JsonValueKind.String && number.ValueKind == JsonValueKind.Number && Conversions.TextOrNull(text) == number.GetRawText();

    private bool IsListed(JsonElement value)
    {
        foreach (var operand in operands)
        {
            if (Conversions.AreEqual(value, operand))
                return true;
        }

        return false;
    }
}
