using System.Globalization;
using System.Text.Json;
using Cdp.Events;
using Cdp.Problems;

namespace Cdp.Collect;

/// <content>What a merge call needs besides what holds for every event. In events of other types its member is kept unseen.</content>
internal sealed partial class BodyScan
{
    private const string MergeProperties = "mergeProperties";

    /// <summary>Null where the value is a list of <c>{type, value}</c>, each text or a number; what else is in the entries is the sender's.</summary>
    /// <param name="json">The value, which has passed <see cref="ScanValue"/>; empty where there is none.</param>
    private static Refused? CheckMergeProperties(ReadOnlySpan<byte> json)
    {
        if (json.IsEmpty || json.SequenceEqual("null"u8))
            return InvalidMerge(MergeProperties, "every merge call needs it.");
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = EventContent.ReaderDepth });
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartArray)
            return Invalid(Fault.NotList, MergeProperties);
        var count = 0;
        for (; reader.Read() && reader.TokenType != JsonTokenType.EndArray; count++)
        {
            if (count == CollectLimits.MergeProperties)
                return InvalidMerge(MergeProperties, $"The list has more than {CollectLimits.MergeProperties} entries.");
            if (CheckMergeProperty(ref reader, string.Create(CultureInfo.InvariantCulture, $"{MergeProperties}[{count}]")) is { } refused)
                return refused;
        }

        return count > 0 ? null : InvalidMerge(MergeProperties, "The list is empty.");
    }

    private static Refused? CheckMergeProperty(ref Utf8JsonReader reader, string path)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            return Invalid(Fault.NotObject, path);
        bool hasType = false, hasValue = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isType = reader.ValueTextEquals("type"u8);
            var isValue = reader.ValueTextEquals("value"u8);
            reader.Read();
            if (!isType && !isValue)
            {
                reader.Skip();
                continue;
            }

            var fault = reader.TokenType switch
            {
                JsonTokenType.String => TextFault(ref reader),
                JsonTokenType.Number => Fault.None,
                _ => Fault.NotTextOrNumber,
            };
            if (fault != Fault.None)
                return Invalid(fault, path + (isType ? ".type" : ".value"));
            hasType |= isType;
            hasValue |= isValue;
        }

        if (hasType && hasValue)
            return null;
        return InvalidMerge(path + (hasType ? ".value" : ".type"), "every entry needs it.");
    }

    private static Refused InvalidMerge(string path, string detail) => new(ProblemType.InvalidField, $"{path}: {detail}", path);
}
