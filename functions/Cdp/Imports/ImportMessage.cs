using System.Text;
using System.Text.Json;
using Cdp.Ids;

namespace Cdp.Imports;

/// <summary>
/// A message on the queue <c>imports</c>: the app's own, <c>{"importId":"imp_..."}</c>, or what the storage says of an upload, an event or a list of events in
/// Event Grid's schema, plain or as base64.
/// </summary>
/// <param name="Blob">What was uploaded; null in the app's own.</param>
public readonly record struct ImportMessage(string ImportId, string? Blob)
{
    private const string Folder = "/blobs/" + ImportDocument.FileFolder;

    public static string Write(string importId) => $$"""{"importId":"{{importId}}"}""";

    /// <summary>Whom a message is about: nobody, where another file was uploaded.</summary>
    /// <exception cref="FormatException">It is neither of the two.</exception>
    public static IReadOnlyList<ImportMessage> Read(string text)
    {
        try
        {
            using var json = JsonDocument.Parse(text.AsSpan().TrimStart() is ['{' or '[', ..] ? text : Encoding.UTF8.GetString(Convert.FromBase64String(text)));
            var messages = new List<ImportMessage>();
            if (json.RootElement.ValueKind != JsonValueKind.Array)
            {
                Add(json.RootElement, messages);
                return messages;
            }

            foreach (var item in json.RootElement.EnumerateArray())
                Add(item, messages);
            return messages;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw new FormatException("The message is no JSON of an import.", exception);
        }
    }

    private static void Add(JsonElement json, List<ImportMessage> messages)
    {
        if (json.ValueKind == JsonValueKind.Object && json.TryGetProperty("importId", out var own) && own.GetString() is { } id)
            messages.Add(new ImportMessage(id, Blob: null));
        else if (json.ValueKind == JsonValueKind.Object && json.TryGetProperty("subject", out var subject) && subject.GetString() is { } blob)
            AddUpload(blob, messages);
        else
            throw new FormatException("The message names neither an import nor a blob.");
    }

    private static void AddUpload(string subject, List<ImportMessage> messages)
    {
        var at = subject.IndexOf(Folder, StringComparison.Ordinal);
        if (at < 0)
            return;
        var file = subject[(at + Folder.Length)..];
        var id = file.Split('.')[0];
        if (IdGenerator.IsId(id, ImportDocument.IdPrefix))
            messages.Add(new ImportMessage(id, ImportDocument.FileFolder + file));
    }
}
