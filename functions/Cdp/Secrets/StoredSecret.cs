using System.Text.Json;
using Cdp.Events;
using Cdp.Problems;

namespace Cdp.Secrets;

/// <summary>
/// A secret that an administrator gave: itself, or the name of the setting that holds it (in Azure best a Key Vault reference). It is written
/// by the API and never read back: answers say <c>{"set":true,"updatedAt":"..."}</c>.
/// </summary>
/// <param name="Value">Null where a setting holds it.</param>
/// <param name="Setting">The name behind <see cref="SecretSettings.Prefix"/>; null where the secret is stored itself.</param>
public sealed record StoredSecret(string? Value, string? Setting, DateTimeOffset UpdatedAt)
{
    private const int Longest = 4096;
    private const int LongestSetting = 64;

    /// <summary>Never what it is: records are written into logs and messages by mistake.</summary>
    public override string ToString() => "(secret)";

    /// <summary>
    /// Reads a member that is a text, or <c>{"setting":"NAME"}</c>. Where it is absent, or what the API itself answered, the present secret stays.
    /// </summary>
    public static StoredSecret? Read(JsonFields fields, string name, StoredSecret? present, DateTimeOffset now)
    {
        if (fields.Any(name) is not { } given)
            return present;
        if (given.ValueKind == JsonValueKind.Object)
            return ReadReference(fields.Object(name)!, present, now);
        var text = fields.Text(name, Longest);
        if (text is { Length: 0 })
            fields.Refuse(name, "empty");
        // The same text again is no change of it.
        return text is null or "" ? present : present?.Value == text ? present : new StoredSecret(text, null, now);
    }

    private static StoredSecret? ReadReference(JsonFields given, StoredSecret? present, DateTimeOffset now)
    {
        given.Ignore("updatedAt");
        var isAnswer = given.Flag("set") == true;
        var setting = given.Text("setting", LongestSetting);
        given.RefuseOthers();
        if (setting is null)
        {
            if (!isAnswer || present is null)
                given.Refuse("setting", $"missing: a secret is a text, or the name of a setting below {SecretSettings.Prefix}");
            return present;
        }

        if (!SecretSettings.IsName(setting))
            given.Refuse("setting", "not a name of letters, digits and underscores that begins with a letter");
        return present?.Setting == setting ? present : new StoredSecret(null, setting, now);
    }

    public void Write(Utf8JsonWriter json, string name)
    {
        json.WriteStartObject(name);
        json.WriteBoolean("set"u8, true);
        json.WriteString("updatedAt"u8, Instant.Of(UpdatedAt).ToString());
        if (Setting is not null)
            json.WriteString("setting"u8, Setting);
        json.WriteEndObject();
    }
}

/// <summary>The settings that secrets may name: those below one prefix, so that nobody reads other settings through a reference.</summary>
/// <param name="read">The value of a setting by its full name, with colons; null where there is none.</param>
public sealed class SecretSettings(Func<string, string?> read)
{
    public const string Prefix = "Cdp:Secrets:";

    public static bool IsName(string name)
    {
        if (name.Length == 0 || !char.IsAsciiLetter(name[0]))
            return false;
        foreach (var c in name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c != '_')
                return false;
        }

        return true;
    }

    /// <summary>The secret itself; null where its setting is not there.</summary>
    public string? Resolve(StoredSecret secret) =>
        secret.Setting is { } name ? read(Prefix + name) is { Length: > 0 } value ? value : null : secret.Value;
}
