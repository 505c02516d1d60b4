/* See protobuf_int.h. */
#include "schema/protobuf_int.h"

static const struct protobuf_embedded embedded[] = {
    {"ConfigMapEnvSource", 1, "1:name", NULL},
    {"ConfigMapKeySelector", 1, "1:name", NULL},
    {"ConfigMapProjection", 1, "1:name", NULL},
    {"ConfigMapVolumeSource", 1, "1:name", NULL},
    {"SecretEnvSource", 1, "1:name", NULL},
    {"SecretKeySelector", 1, "1:name", NULL},
    {"SecretProjection", 1, "1:name", NULL},
    {"IngressRule", 2, "1:http", NULL},
    {"Probe", 1, "1:exec 2:httpGet 3:tcpSocket 4:grpc", NULL},
    {"RuleWithOperations", 2, "1:apiGroups 2:apiVersions 3:resources 4:scope", NULL},
    {"NamedRuleWithOperations", 2, "1:operations", "RuleWithOperations"},
    {"DeviceAllocationConfiguration", 3, "1:opaque", NULL},
    {"DeviceClaimConfiguration", 2, "1:opaque", NULL},
    {"DeviceClassConfiguration", 1, "1:opaque", NULL},
    {"EphemeralContainer", 1,
     "1:name 2:image 3:command 4:args 5:workingDir 6:ports 19:envFrom 7:env 8:resources "
     "23:resizePolicy 24:restartPolicy 25:restartPolicyRules 9:volumeMounts 21:volumeDevices "
     "10:livenessProbe 11:readinessProbe 22:startupProbe 12:lifecycle 13:terminationMessagePath "
     "20:terminationMessagePolicy 14:imagePullPolicy 15:securityContext 16:stdin 17:stdinOnce "
     "18:tty",
     NULL},
    {"PersistentVolumeSpec", 2,
     "1:gcePersistentDisk 2:awsElasticBlockStore 3:hostPath 4:glusterfs 5:nfs 6:rbd 7:iscsi "
     "8:cinder 9:cephfs 10:fc 11:flocker 12:flexVolume 13:azureFile 14:vsphereVolume 15:quobyte "
     "16:azureDisk 17:photonPersistentDisk 18:portworxVolume 19:scaleIO 20:local 21:storageos "
     "22:csi",
     NULL},
    {"Volume", 2,
     "1:hostPath 2:emptyDir 3:gcePersistentDisk 4:awsElasticBlockStore 5:gitRepo 6:secret 7:nfs "
     "8:iscsi 9:glusterfs 10:persistentVolumeClaim 11:rbd 12:flexVolume 13:cinder 14:cephfs "
     "15:flocker 16:downwardAPI 17:fc 18:azureFile 19:configMap 20:vsphereVolume 21:quobyte "
     "22:azureDisk 23:photonPersistentDisk 24:portworxVolume 25:scaleIO 26:projected "
     "27:storageos 28:csi 29:ephemeral 30:image",
     NULL},
};

const struct protobuf_embedded *protobuf_embedded_of(const char *type, uint32_t number)
{
    for (size_t i = 0; i < sizeof(embedded) / sizeof(embedded[0]); i++)
        if (embedded[i].number == number && cstr_eq(embedded[i].type, type))
            return &embedded[i];
    return NULL;
}

const struct schema_field *protobuf_embedded_field(const struct schema_type *type,
                                                   const struct protobuf_embedded *e,
                                                   uint32_t number)
{
    struct str rest = str_of(e->fields), part;
    uint64_t n;
    while (str_split(&rest, ' ', &part)) {
        ptrdiff_t colon = str_find_byte(part, ':');
        if (colon > 0 && str_to_u64(str_make(part.p, (size_t)colon), &n) == 0 && n == number)
            return schema_type_field(type,
                                     str_make(part.p + colon + 1, part.n - (size_t)colon - 1));
    }
    return NULL;
}

enum protobuf_choice protobuf_choice_of(const struct schema_field *f)
{
    const char *name = schema_field_name(f);
    if (schema_field_shape(f) != SCHEMA_ANY)
        return CHOICE_NONE;
    if (cstr_eq(name, "items"))
        return CHOICE_SCHEMAS;
    if (cstr_eq(name, "dependencies"))
        return CHOICE_NAMES;
    if (cstr_eq(name, "additionalItems") || cstr_eq(name, "additionalProperties"))
        return CHOICE_BOOL;
    return CHOICE_NONE;
}
