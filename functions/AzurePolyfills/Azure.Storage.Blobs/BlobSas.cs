using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Azure.Storage.Blobs.Models;

namespace Azure.Storage.Sas;

public enum SasProtocol
{
    None = 0,
    HttpsAndHttp = 1,
    Https = 2,
}

[Flags]
public enum BlobSasPermissions
{
    Read = 1,
    Add = 2,
    Create = 4,
    Write = 8,
    Delete = 16,
}

/// <summary>
/// What a shared access signature allows, and its signature:
/// https://learn.microsoft.com/rest/api/storageservices/create-service-sas and create-user-delegation-sas.
/// </summary>
public class BlobSasBuilder
{
    // Later versions sign more fields; this one holds everything the stand-in has.
    private const string SignedVersion = "2020-12-06";

    public BlobSasBuilder(BlobSasPermissions permissions, DateTimeOffset expiresOn)
    {
        ExpiresOn = expiresOn;
        SetPermissions(permissions);
    }

    public SasProtocol Protocol { get; set; }

    public DateTimeOffset StartsOn { get; set; }

    public DateTimeOffset ExpiresOn { get; set; }

    public string Permissions { get; private set; } = "";

    public string? BlobContainerName { get; set; }

    public string? BlobName { get; set; }

    /// <summary>"b" for a blob, "c" for a container.</summary>
    public string? Resource { get; set; }

    public void SetPermissions(BlobSasPermissions permissions)
    {
        // The service demands this order.
        var text = new StringBuilder();
        foreach (var (permission, letter) in ((BlobSasPermissions, char)[])
            [(BlobSasPermissions.Read, 'r'), (BlobSasPermissions.Add, 'a'), (BlobSasPermissions.Create, 'c'), (BlobSasPermissions.Write, 'w'), (BlobSasPermissions.Delete, 'd')])
        {
            if (permissions.HasFlag(permission))
                text.Append(letter);
        }

        Permissions = text.ToString();
    }

    public BlobSasQueryParameters ToSasQueryParameters(UserDelegationKey userDelegationKey, string accountName)
    {
        ArgumentNullException.ThrowIfNull(userDelegationKey);
        var text = string.Join(
            '\n',
            Permissions,
            SasTime(StartsOn),
            SasTime(ExpiresOn),
            CanonicalName(accountName),
            userDelegationKey.SignedObjectId,
            userDelegationKey.SignedTenantId,
            SasTime(userDelegationKey.SignedStartsOn),
            SasTime(userDelegationKey.SignedExpiresOn),
            userDelegationKey.SignedService,
            userDelegationKey.SignedVersion,
            // Agents' object ids and a correlation id.
            "",
            "",
            "",
            Addresses,
            ProtocolText,
            SignedVersion,
            ResourceText,
            Rest);
        var signature = Convert.ToBase64String(HMACSHA256.HashData(Convert.FromBase64String(userDelegationKey.Value), Encoding.UTF8.GetBytes(text)));
        return Parameters(
            signature,
            ("skoid", userDelegationKey.SignedObjectId),
            ("sktid", userDelegationKey.SignedTenantId),
            ("skt", SasTime(userDelegationKey.SignedStartsOn)),
            ("ske", SasTime(userDelegationKey.SignedExpiresOn)),
            ("sks", userDelegationKey.SignedService),
            ("skv", userDelegationKey.SignedVersion));
    }

    internal BlobSasQueryParameters Sign(StorageAccount account)
    {
        var text = string.Join(
            '\n',
            Permissions,
            SasTime(StartsOn),
            SasTime(ExpiresOn),
            CanonicalName(account.Name),
            // No stored access policy.
            "",
            Addresses,
            ProtocolText,
            SignedVersion,
            ResourceText,
            Rest);
        return Parameters(account.Sign(text));
    }

    private string ResourceText => Resource ?? (BlobName is { Length: > 0 } ? "b" : "c");

    private string ProtocolText => Protocol switch
    {
        SasProtocol.Https => "https",
        SasProtocol.HttpsAndHttp => "https,http",
        _ => "",
    };

    /// <summary>From wherever.</summary>
    private static string Addresses => "";

    /// <summary>Snapshot, encryption scope, and the five headers an answer could be given: none.</summary>
    private static string Rest => "\n\n\n\n\n\n";

    private static string SasTime(DateTimeOffset time) =>
        time == default ? "" : time.ToUniversalTime().ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);

    private string CanonicalName(string account) =>
        $"/blob/{account}/{BlobContainerName}" + (BlobName is { Length: > 0 } ? "/" + BlobName : "");

    private BlobSasQueryParameters Parameters(string signature, params ReadOnlySpan<(string Name, string Value)> key)
    {
        var parameters = new List<(string Name, string Value)>
        {
            ("sv", SignedVersion), ("spr", ProtocolText), ("st", SasTime(StartsOn)), ("se", SasTime(ExpiresOn)), ("sr", ResourceText), ("sp", Permissions),
        };
        parameters.AddRange(key);
        parameters.Add(("sig", signature));
        return new BlobSasQueryParameters(parameters);
    }
}

public class SasQueryParameters
{
    private readonly List<(string Name, string Value)> parameters;

    internal SasQueryParameters(List<(string Name, string Value)> parameters) => this.parameters = parameters;

    /// <returns>A query without its question mark.</returns>
    public override string ToString() => string.Join(
        '&', parameters.Where(static parameter => parameter.Value.Length > 0).Select(static parameter => $"{parameter.Name}={Uri.EscapeDataString(parameter.Value)}"));
}

public sealed class BlobSasQueryParameters : SasQueryParameters
{
    internal BlobSasQueryParameters(List<(string Name, string Value)> parameters)
        : base(parameters)
    {
    }
}
