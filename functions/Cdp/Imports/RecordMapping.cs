using System.Text.Json;
using Cdp.Collect;
using Cdp.Problems;

namespace Cdp.Imports;

/// <summary>How records become events where they are none by themselves.</summary>
internal abstract class RecordMapping
{
    /// <exception cref="ProblemException">mapping-invalid</exception>
    public static void Check(JsonElement json) => throw new ProblemException(ProblemType.MappingInvalid, "Mappings are not supported: name the columns by the paths of an event.");

    public static RecordMapping Read(string json) => throw new InvalidDataException($"A mapping of {json.Length} characters.");

    /// <summary>Adds the events of a record; none where no rule is about it.</summary>
    /// <param name="record">A JSON object.</param>
    public abstract Refused? Apply(ReadOnlySpan<byte> record, ImportBatch batch);
}
